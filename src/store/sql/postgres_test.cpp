#include "store/sql/postgres.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/sql/postgres_for_test.h"

namespace minato {
namespace {

class PostgresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = PostgresForTest::shared();
    if (server_ == nullptr) GTEST_SKIP() << PostgresForTest::kMissing;
    conninfo_ = server_->fresh_database();
    db_ = connect();
    ASSERT_TRUE(db_);
    ASSERT_TRUE(db_->execute("CREATE TABLE note (id bigint PRIMARY KEY, text text, bytes bytea, at bigint)"));
  }
  std::unique_ptr<Postgres> connect() {
    auto db = Postgres::connect({.conninfo = conninfo_});
    EXPECT_TRUE(db);
    return db ? std::move(*db) : nullptr;
  }
  std::int64_t count() {
    const auto counted = db_->query_integer("SELECT count(*) FROM note");
    return counted ? counted->value_or(-1) : -1;
  }

  PostgresForTest* server_ = nullptr;
  std::string conninfo_;
  std::unique_ptr<Postgres> db_;
};

constexpr const char* kInsert = "INSERT INTO note VALUES ($1, $2, $3, $4)";
constexpr const char* kInsertId = "INSERT INTO note (id) VALUES ($1)";

TEST_F(PostgresTest, EveryKindOfValueComesBackAsItWasSent) {
  const std::string bytes("\0\xff|\r", 4);
  const std::optional<std::string> text = "糖尿病", none;
  ASSERT_TRUE(db_->run(kInsert, Seq{7}, text, PostgresBlob{bytes}, from_micros(-5)));
  ASSERT_TRUE(db_->run(kInsert, 8, none, PostgresBlob{}, std::optional<Time>()));
  const auto rows = db_->query("SELECT id, text, bytes, at, id = 7, 3::smallint, -4::integer FROM note ORDER BY id");
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2);
  EXPECT_EQ(rows->seq(0, 0), Seq{7});
  EXPECT_EQ(rows->text(0, 1), *text);
  EXPECT_EQ(rows->blob(0, 2), bytes);
  EXPECT_EQ(rows->time(0, 3), from_micros(-5));
  EXPECT_EQ(rows->integer(0, 4), 1);
  EXPECT_EQ(rows->integer(0, 5), 3);
  EXPECT_EQ(rows->integer(0, 6), -4);
  EXPECT_TRUE(rows->is_null(1, 1));
  EXPECT_FALSE(rows->is_null(1, 2)) << "empty bytes are not absent";
  EXPECT_EQ(rows->optional_time(1, 3), std::nullopt);
}

TEST_F(PostgresTest, ArraysCarryManyRowsInOneStatement) {
  const std::vector<std::int64_t> ids = {1, 2, INT64_MIN};
  const std::vector<std::string_view> texts = {"a", "", "薬"};
  const std::vector<PostgresBlob> blobs = {{"x"}, {""}, {std::string_view("\0", 1)}};
  const std::vector<std::optional<std::int64_t>> times = {5, std::nullopt, 6};
  const auto changed =
      db_->run("INSERT INTO note SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bigint[])", ids, texts,
               blobs, times);
  ASSERT_TRUE(changed);
  EXPECT_EQ(*changed, 3);
  const auto rows = db_->query("SELECT id, text, bytes, at FROM note WHERE id = ANY($1) ORDER BY id", ids);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3);
  EXPECT_EQ(rows->integer(0, 0), INT64_MIN);
  EXPECT_EQ(rows->text(0, 1), "薬");
  EXPECT_EQ(rows->blob(0, 2), std::string_view("\0", 1));
  EXPECT_TRUE(rows->is_null(2, 3));
  const auto empty =
      db_->query("SELECT id, text, bytes, at FROM note WHERE id = ANY($1) ORDER BY id", std::vector<std::int64_t>());
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->size(), 0);
}

TEST_F(PostgresTest, ATransactionThatIsNotCommittedLeavesNothing) {
  {
    auto transaction = db_->begin();
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db_->run(kInsertId, 1));
    EXPECT_EQ(count(), 1);
  }
  EXPECT_EQ(count(), 0);
  {
    auto transaction = db_->begin();
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db_->run(kInsertId, 1));
    ASSERT_TRUE(transaction->commit());
  }
  EXPECT_EQ(count(), 1);
}

TEST_F(PostgresTest, ATransactionInWhichAStatementFailedCannotCommit) {
  auto transaction = db_->begin();
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(db_->run(kInsertId, 1));
  EXPECT_EQ(db_->run(kInsertId, 1).error().code, Errc::kConflict);
  EXPECT_FALSE(transaction->commit());
  EXPECT_EQ(count(), 0);
}

TEST_F(PostgresTest, ErrorsSayWhatTheCallerDoesAndCarryNoValue) {
  ASSERT_TRUE(db_->execute("CREATE TABLE name (name text UNIQUE)"));
  ASSERT_TRUE(db_->run("INSERT INTO name VALUES ($1)", "yamada"));
  const auto again = db_->run("INSERT INTO name VALUES ($1)", "yamada");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kConflict);
  const auto malformed = db_->query("SELECT $1::text::bigint", "yamada");
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().code, Errc::kRefused);
  for (const auto& error : {again.error(), malformed.error()}) {
    EXPECT_EQ(error.what.find("yamada"), std::string::npos) << error.what;
  }
  EXPECT_EQ(db_->query("SELEKT").error().code, Errc::kRefused);
  EXPECT_EQ(db_->query("SELECT $1::bigint + $2::bigint", 1).error().code, Errc::kRefused);
  EXPECT_TRUE(db_->connected());
}

TEST_F(PostgresTest, ADeadlockIsToldAsRetry) {
  ASSERT_TRUE(db_->run(kInsertId, 1));
  ASSERT_TRUE(db_->run(kInsertId, 2));
  const auto other = connect();
  auto ours = db_->begin(), theirs = other->begin();
  ASSERT_TRUE(db_->run("UPDATE note SET at = 1 WHERE id = $1", 1));
  ASSERT_TRUE(other->run("UPDATE note SET at = 1 WHERE id = $1", 2));
  Errc first = Errc::kCorrupt;
  std::thread thread([&] {
    if (const auto run = other->run("UPDATE note SET at = 2 WHERE id = $1", 1); !run) first = run.error().code;
    {
      const auto end = std::move(*theirs);
    }
  });
  Errc second = Errc::kCorrupt;
  if (const auto run = db_->run("UPDATE note SET at = 2 WHERE id = $1", 2); !run) second = run.error().code;
  {
    const auto end = std::move(*ours);
  }
  thread.join();
  EXPECT_TRUE((first == Errc::kRetry) != (second == Errc::kRetry)) << "exactly one is the victim";
}

TEST_F(PostgresTest, APipelineAnswersEveryStatementInOrder) {
  ASSERT_TRUE(db_->pipeline_begin());
  for (int id = 0; id < 2000; ++id) {
    ASSERT_TRUE(db_->pipeline_add(kInsertId, id));
    if (id % 100 == 0) {
      ASSERT_TRUE(db_->pipeline_add("SELECT max(id) FROM note"));
    }
  }
  const auto answers = db_->pipeline_end();
  ASSERT_TRUE(answers) << answers.error().what;
  ASSERT_EQ(answers->size(), 2020u);
  EXPECT_EQ((*answers)[0].changed_rows(), 1);
  EXPECT_EQ((*answers)[102].integer(0, 0), 100);
  EXPECT_EQ(count(), 2000);
}

// Both directions are full at once if nobody reads: the case in which a naive pipeline hangs for ever.
TEST_F(PostgresTest, APipelineWithLargeQuestionsAndLargeAnswersDoesNotHang) {
  const std::string large(1 << 20, 'x');
  ASSERT_TRUE(db_->pipeline_begin());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(db_->pipeline_add("SELECT $1::text || $1::text", large));
  const auto answers = db_->pipeline_end();
  ASSERT_TRUE(answers);
  ASSERT_EQ(answers->size(), 20u);
  EXPECT_EQ(answers->back().text(0, 0).size(), 2 * large.size());
}

TEST_F(PostgresTest, APipelineThatFailsChangesNothingAndTheConnectionGoesOn) {
  ASSERT_TRUE(db_->pipeline_begin());
  ASSERT_TRUE(db_->pipeline_add(kInsertId, 1));
  ASSERT_TRUE(db_->pipeline_add(kInsertId, 1));
  ASSERT_TRUE(db_->pipeline_add("SELECT 'never prepared'::text, $1::bigint", 5));
  const auto answers = db_->pipeline_end();
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error().code, Errc::kConflict);
  EXPECT_EQ(count(), 0);
  EXPECT_TRUE(db_->query("SELECT 'never prepared'::text, $1::bigint", 5));
  EXPECT_TRUE(db_->run(kInsertId, 1));
}

TEST_F(PostgresTest, ANotificationWakesTheWaiterAndADeadlineEndsTheWait) {
  ASSERT_TRUE(db_->listen("news"));
  const auto soon = [] { return std::chrono::steady_clock::now() + std::chrono::milliseconds(20); };
  EXPECT_FALSE(db_->wait_notification(soon()).value());
  const auto other = connect();
  ASSERT_TRUE(other->execute("NOTIFY news"));
  EXPECT_TRUE(db_->wait_notification(std::chrono::steady_clock::now() + std::chrono::seconds(30)).value());
  EXPECT_FALSE(db_->wait_notification(soon()).value());
}

TEST_F(PostgresTest, AReadableWakeDescriptorEndsTheWait) {
  ASSERT_TRUE(db_->listen("news"));
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  ASSERT_EQ(::write(pipe[1], "x", 1), 1);
  EXPECT_FALSE(db_->wait_notification(std::chrono::steady_clock::now() + std::chrono::hours(1), pipe[0]).value());
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(PostgresTest, AKilledServerIsUnavailableAndTheConnectionComesBackWithItsSubscriptions) {
  ASSERT_TRUE(db_->listen("news"));
  ASSERT_TRUE(db_->run(kInsertId, 1));
  auto transaction = db_->begin();
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(server_->command("kill"));
  EXPECT_EQ(db_->run(kInsertId, 2).error().code, Errc::kUnavailable);
  ASSERT_TRUE(server_->command("start"));
  EXPECT_EQ(db_->run(kInsertId, 3).error().code, Errc::kUnavailable) << "half a transaction must not go on alone";
  EXPECT_EQ(transaction->commit().error().code, Errc::kUnavailable);
  {
    const auto end = std::move(*transaction);
  }

  EXPECT_EQ(count(), 1);
  EXPECT_TRUE(db_->run(kInsertId, 2));
  EXPECT_TRUE(db_->wait_notification(std::chrono::steady_clock::now()).value()) << "something may have been missed";
  const auto other = connect();
  ASSERT_TRUE(other->execute("NOTIFY news"));
  EXPECT_TRUE(db_->wait_notification(std::chrono::steady_clock::now() + std::chrono::seconds(30)).value());
}

TEST_F(PostgresTest, BeginSurvivesAConnectionThatWasLostUnnoticed) {
  ASSERT_TRUE(server_->command("stop"));
  ASSERT_TRUE(server_->command("start"));
  auto transaction = db_->begin();
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(db_->run(kInsertId, 1));
  EXPECT_TRUE(transaction->commit());
}

TEST_F(PostgresTest, AnAbsentServerIsUnavailableAtOnceBetweenAttempts) {
  ASSERT_TRUE(server_->command("stop"));
  EXPECT_EQ(db_->run(kInsertId, 1).error().code, Errc::kUnavailable);
  EXPECT_EQ(db_->run(kInsertId, 1).error().code, Errc::kUnavailable);
  EXPECT_EQ(db_->run(kInsertId, 1).error().code, Errc::kUnavailable);
  EXPECT_EQ(Postgres::connect({.conninfo = conninfo_}).error().code, Errc::kUnavailable);
  ASSERT_TRUE(server_->command("start"));
}

}  // namespace
}  // namespace minato
