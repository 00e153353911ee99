#include "store/sql/sqlite.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace minato {
namespace {

class SqliteTest : public ::testing::Test {
 protected:
  SqliteTest() {
    char name[] = "/tmp/minato-sqlite-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ + "/test.db";
  }
  ~SqliteTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Sqlite> writer() {
    auto db = Sqlite::open_writer(path_, {});
    EXPECT_TRUE(db) << (db ? "" : db.error().what);
    return db ? std::move(*db) : nullptr;
  }
  std::unique_ptr<Sqlite> reader() {
    auto db = Sqlite::open_reader(path_, {.busy_timeout = std::chrono::milliseconds(1)});
    EXPECT_TRUE(db) << (db ? "" : db.error().what);
    return db ? std::move(*db) : nullptr;
  }
  static std::int64_t count(Sqlite& db) { return db.query_integer("SELECT count(*) FROM note").value().value_or(-1); }

  std::string directory_, path_;
};

constexpr const char* kTable = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, bytes BLOB, at INTEGER)";

TEST_F(SqliteTest, EveryKindOfValueComesBackAsItWasBound) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  const std::string bytes("\0\xff|\r", 4);
  const std::string text = "糖尿病";
  ASSERT_TRUE(db->run("INSERT INTO note VALUES ($1, $2, $3, $4)", Seq{7}, text, SqliteBlob{bytes}, from_micros(-5)));
  ASSERT_TRUE(
      db->run("INSERT INTO note VALUES ($1, $2, $3, $4)", 8, std::optional<std::string>(), SqliteBlob{}, std::nullopt));
  auto rows = db->query("SELECT id, text, bytes, at FROM note ORDER BY id");
  ASSERT_TRUE(rows);
  ASSERT_TRUE(rows->step().value());
  EXPECT_EQ(rows->seq(0), Seq{7});
  EXPECT_EQ(rows->text(1), text);
  EXPECT_EQ(rows->blob(2), bytes);
  EXPECT_EQ(rows->time(3), from_micros(-5));
  ASSERT_TRUE(rows->step().value());
  EXPECT_TRUE(rows->is_null(1));
  EXPECT_FALSE(rows->is_null(2)) << "empty bytes are not absent";
  EXPECT_EQ(rows->optional_time(3), std::nullopt);
  EXPECT_FALSE(rows->step().value());
}

TEST_F(SqliteTest, ATransactionThatIsNotCommittedLeavesNothing) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  {
    auto transaction = db->begin();
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db->run("INSERT INTO note (id) VALUES ($1)", 1));
    EXPECT_EQ(count(*db), 1);
  }
  EXPECT_EQ(count(*db), 0);
  auto transaction = db->begin();
  ASSERT_TRUE(db->run("INSERT INTO note (id) VALUES ($1)", 1));
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(count(*db), 1);
}

TEST_F(SqliteTest, ASecondWriterOfOneFileIsRefusedUnderAnySpelling) {
  auto db = writer();
  const auto second = Sqlite::open_writer(directory_ + "/../" + directory_.substr(5) + "/test.db", {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
  EXPECT_EQ(Sqlite::remove_file(path_).error().code, Errc::kConflict);
  db.reset();
  EXPECT_TRUE(Sqlite::open_writer(path_, {}));
}

TEST_F(SqliteTest, AReaderSeesCommitsAndCannotWrite) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  auto other = reader();
  ASSERT_TRUE(db->run("INSERT INTO note (id) VALUES ($1)", 1));
  EXPECT_EQ(count(*other), 1);
  EXPECT_FALSE(other->run("INSERT INTO note (id) VALUES ($1)", 2));
  EXPECT_EQ(count(*db), 1);
}

TEST_F(SqliteTest, AReadersTransactionIsOneSnapshot) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  auto other = reader();
  {
    auto snapshot = other->begin();
    ASSERT_TRUE(snapshot);
    EXPECT_EQ(count(*other), 0);
    ASSERT_TRUE(db->run("INSERT INTO note (id) VALUES ($1)", 1));
    EXPECT_EQ(count(*other), 0);
  }
  EXPECT_EQ(count(*other), 1);
}

TEST_F(SqliteTest, AReaderThatClosesLastLeavesTheLogAlone) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  auto other = reader();
  EXPECT_EQ(count(*other), 0);
  ASSERT_TRUE(db->run("INSERT INTO note (id) VALUES ($1)", 1));
  const auto log_bytes = std::filesystem::file_size(path_ + "-wal");
  ASSERT_GT(log_bytes, 0u);
  const auto file_bytes = std::filesystem::file_size(path_);
  other.reset();
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), log_bytes);
  EXPECT_EQ(std::filesystem::file_size(path_), file_bytes);
}

TEST_F(SqliteTest, AConstraintIsAConflictAndItsErrorCarriesNoValue) {
  auto db = writer();
  ASSERT_TRUE(db->execute("CREATE TABLE name (name TEXT UNIQUE)"));
  ASSERT_TRUE(db->run("INSERT INTO name VALUES ($1)", "yamada"));
  const auto again = db->run("INSERT INTO name VALUES ($1)", "yamada");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kConflict);
  EXPECT_EQ(again.error().what.find("yamada"), std::string::npos);
  EXPECT_TRUE(db->run("INSERT INTO name VALUES ($1)", "tanaka")) << "a failed statement is usable again";
}

TEST_F(SqliteTest, MistakesInSqlAreRefused) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  EXPECT_EQ(db->run("SELEKT").error().code, Errc::kRefused);
  EXPECT_EQ(db->run("INSERT INTO note (id) VALUES ($1)").error().code, Errc::kRefused);
  EXPECT_EQ(db->run("INSERT INTO note (id) VALUES ($1)", 1, 2).error().code, Errc::kRefused);
  EXPECT_EQ(db->run("SELECT 1; SELECT 2").error().code, Errc::kRefused);
  EXPECT_EQ(db->run("").error().code, Errc::kRefused);
  EXPECT_EQ(count(*db), 0);
}

TEST_F(SqliteTest, AQueryInsideAQueryOfTheSameTextWorks) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  for (int id = 0; id < 3; ++id) ASSERT_TRUE(db->run("INSERT INTO note (id) VALUES ($1)", id));
  int pairs = 0;
  auto outer = db->query("SELECT id FROM note");
  while (outer->step().value()) {
    auto inner = db->query("SELECT id FROM note");
    while (inner->step().value()) ++pairs;
  }
  EXPECT_EQ(pairs, 9);
}

TEST_F(SqliteTest, MoreStatementsThanAreKeptStillRun) {
  auto db = writer();
  for (int i = 0; i < 1000; ++i) {
    const auto value = db->query_integer("SELECT " + std::to_string(i));
    ASSERT_TRUE(value);
    EXPECT_EQ(value->value(), i);
  }
}

TEST_F(SqliteTest, AFileThatIsNoDatabaseIsCorrupt) {
  std::ofstream(path_) << std::string(8192, 'x');
  const auto db = Sqlite::open_writer(path_, {});
  ASSERT_FALSE(db);
  EXPECT_EQ(db.error().code, Errc::kCorrupt);
  EXPECT_TRUE(Sqlite::remove_file(path_)) << "a writer that could not open holds nothing";
  EXPECT_TRUE(writer());
}

TEST_F(SqliteTest, DamageIsFoundByTheIntegrityCheck) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  ASSERT_TRUE(db->execute("CREATE INDEX note_text ON note (text)"));
  for (int id = 0; id < 2000; ++id) {
    ASSERT_TRUE(db->run("INSERT INTO note (id, text) VALUES ($1, $2)", id, "text " + std::to_string(id)));
  }
  EXPECT_TRUE(db->integrity_check());
  db.reset();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 * 3 + 100);
    file << std::string(2000, '\x55');
  }
  db = writer();
  ASSERT_TRUE(db);
  const auto checked = db->integrity_check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Errc::kCorrupt);
}

TEST_F(SqliteTest, AFullDatabaseIsUnavailableAndTheTransactionIsGone) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  ASSERT_TRUE(db->execute("PRAGMA max_page_count = 10"));
  auto transaction = db->begin();
  const auto full = db->run("INSERT INTO note (id, text) VALUES ($1, $2)", 1, std::string(100'000, 'x'));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kUnavailable);
  {
    const auto ended = std::move(*transaction);
  }
  EXPECT_EQ(count(*db), 0);
}

TEST_F(SqliteTest, TheFileIsForItsOwnerOnlyAndKeepsItsVersion) {
  auto db = writer();
  EXPECT_EQ(db->user_version().value(), 0);
  ASSERT_TRUE(db->set_user_version(3));
  db.reset();
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(writer()->user_version().value(), 3);
}

TEST_F(SqliteTest, ACheckpointEmptiesTheLog) {
  auto db = writer();
  ASSERT_TRUE(db->execute(kTable));
  ASSERT_TRUE(db->run("INSERT INTO note (id) VALUES ($1)", 1));
  ASSERT_TRUE(db->checkpoint());
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0u);
}

TEST_F(SqliteTest, MemoryIsADatabaseOfItsOwn) {
  const auto one = Sqlite::open_writer(":memory:", {});
  const auto other = Sqlite::open_writer(":memory:", {});
  ASSERT_TRUE(one && other);
  ASSERT_TRUE((*one)->execute(kTable));
  EXPECT_FALSE((*other)->query("SELECT * FROM note"));
}

TEST_F(SqliteTest, AMissingFileIsNotFoundByAReader) {
  EXPECT_EQ(Sqlite::open_reader(path_, {}).error().code, Errc::kNotFound);
}

}  // namespace
}  // namespace minato
