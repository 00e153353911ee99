#include "store/index/derived.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "store/sql/sqlite.h"

namespace minato {
namespace {

using namespace std::chrono_literals;

class DerivedTest : public testing::Test {
 protected:
  DerivedTest() {
    char made[] = "/tmp/derived_test.XXXXXX";
    directory_ = ::mkdtemp(made);
  }
  ~DerivedTest() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/derived.db"; }
  DerivedDatabase::Options options(std::uint32_t version = 1) const {
    return {.path = path(),
            .projections = {{.name = "notes", .version = version, .sql = "CREATE TABLE note (text TEXT)"}},
            .journal_last = Seq{1000},
            .readers_max = 2};
  }
  std::unique_ptr<DerivedDatabase> open(const DerivedDatabase::Options& with) {
    auto derived = DerivedDatabase::open(with);
    EXPECT_TRUE(derived.has_value()) << derived.error().what;
    return std::move(*derived);
  }
  static void write(DerivedDatabase& derived, const char* text, Seq position) {
    ASSERT_TRUE(derived.begin());
    ASSERT_TRUE(derived.writer().run("INSERT INTO note VALUES ($1)", text));
    ASSERT_TRUE(derived.commit(position));
  }
  static std::int64_t notes(DerivedDatabase& derived) {
    auto reader = derived.reader(std::chrono::steady_clock::now() + 1s);
    if (!reader) return -1;
    return reader->database().query_integer("SELECT count(*) FROM note")->value_or(-1);
  }

  std::string directory_;
};

TEST_F(DerivedTest, ANewFileStartsAtPositionZeroAndIsKeptOverRestarts) {
  {
    const auto derived = open(options());
    EXPECT_EQ(derived->origin(), DerivedOrigin::kCreated);
    EXPECT_EQ(derived->position(), Seq{0});
    write(*derived, "a", Seq{7});
  }
  const auto derived = open(options());
  EXPECT_EQ(derived->origin(), DerivedOrigin::kContinued);
  EXPECT_EQ(derived->position(), Seq{7});
  EXPECT_EQ(notes(*derived), 1);
}

TEST_F(DerivedTest, RowsAndPositionAreRolledBackTogether) {
  const auto derived = open(options());
  write(*derived, "kept", Seq{1});
  ASSERT_TRUE(derived->begin());
  ASSERT_TRUE(derived->writer().run("INSERT INTO note VALUES ('lost')"));
  derived->rollback();
  EXPECT_EQ(notes(*derived), 1);
  EXPECT_EQ(derived->position(), Seq{1});
  write(*derived, "next", Seq{2});
  EXPECT_EQ(notes(*derived), 2);
}

TEST_F(DerivedTest, ABatchThatWasNotCommittedIsGoneAfterARestart) {
  {
    const auto derived = open(options());
    ASSERT_TRUE(derived->begin());
    ASSERT_TRUE(derived->writer().run("INSERT INTO note VALUES ('lost')"));
  }
  const auto derived = open(options());
  EXPECT_EQ(derived->position(), Seq{0});
  EXPECT_EQ(notes(*derived), 0);
}

struct Participant : BatchParticipant {
  Status flush() override {
    ++flushed;
    return refuse ? Status(fail(Errc::kUnavailable, "refused by the test")) : Status();
  }
  void forget() override { ++forgotten; }
  bool refuse = false;
  int flushed = 0, forgotten = 0;
};

TEST_F(DerivedTest, AParticipantThatCannotFlushFailsTheCommitAndEveryoneForgets) {
  const auto derived = open(options());
  Participant first, second;
  derived->enlist(first);
  derived->enlist(second);
  write(*derived, "a", Seq{1});
  EXPECT_EQ(first.flushed, 1);
  EXPECT_EQ(second.flushed, 1);
  second.refuse = true;
  ASSERT_TRUE(derived->begin());
  ASSERT_TRUE(derived->writer().run("INSERT INTO note VALUES ('b')"));
  EXPECT_FALSE(derived->commit(Seq{2}));
  EXPECT_EQ(first.forgotten, 1);
  EXPECT_EQ(second.forgotten, 1);
  EXPECT_EQ(derived->position(), Seq{1});
  EXPECT_EQ(notes(*derived), 1);
}

TEST_F(DerivedTest, AnotherSchemaVersionOrSetOfProjectionsStartsAnew) {
  {
    write(*open(options(1)), "old", Seq{5});
  }
  {
    const auto derived = open(options(2));
    EXPECT_EQ(derived->origin(), DerivedOrigin::kSchemaChanged);
    EXPECT_EQ(derived->position(), Seq{0});
    EXPECT_EQ(notes(*derived), 0);
    write(*derived, "new", Seq{3});
  }
  auto more = options(2);
  more.projections.push_back({.name = "others", .version = 1, .sql = "CREATE TABLE other (n INTEGER)"});
  EXPECT_EQ(open(more)->origin(), DerivedOrigin::kSchemaChanged);
}

TEST_F(DerivedTest, APositionBeyondTheJournalStartsAnew) {
  {
    write(*open(options()), "a", Seq{900});
  }
  auto shorter = options();
  shorter.journal_last = Seq{899};
  const auto derived = open(shorter);
  EXPECT_EQ(derived->origin(), DerivedOrigin::kJournalShorter);
  EXPECT_EQ(derived->position(), Seq{0});
}

TEST_F(DerivedTest, AFileThatIsNoDatabaseStartsAnew) {
  std::ofstream(path()) << std::string(100'000, 'x');
  const auto derived = open(options());
  EXPECT_EQ(derived->origin(), DerivedOrigin::kDamaged);
  write(*derived, "a", Seq{1});
}

TEST_F(DerivedTest, AnEmptyFileOrAForeignDatabaseStartsAnew) {
  {
    std::ofstream empty(path());
  }
  EXPECT_EQ(open(options())->origin(), DerivedOrigin::kSchemaChanged);
  std::filesystem::remove(path());
  {
    auto foreign = Sqlite::open_writer(path(), {});
    ASSERT_TRUE((*foreign)->execute("CREATE TABLE something (x)"));
  }
  EXPECT_EQ(open(options())->origin(), DerivedOrigin::kSchemaChanged);
}

TEST_F(DerivedTest, AHeaderCutAnywhereNeverStopsTheStart) {
  {
    write(*open(options()), "a", Seq{1});
  }
  const auto size = std::filesystem::file_size(path());
  for (std::uintmax_t cut = 0; cut < size; cut += 997) {
    std::filesystem::copy_file(path(), directory_ + "/cut.db", std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(directory_ + "/cut.db", cut);
    auto with = options();
    with.path = directory_ + "/cut.db";
    auto derived = DerivedDatabase::open(with);
    ASSERT_TRUE(derived.has_value()) << "cut at " << cut << ": " << derived.error().what;
  }
}

TEST_F(DerivedTest, ACondemnedFileIsDeletedAtTheNextStartAndOnlyOnce) {
  {
    const auto derived = open(options());
    write(*derived, "a", Seq{1});
    ASSERT_TRUE(derived->condemn());
  }
  {
    const auto derived = open(options());
    EXPECT_EQ(derived->origin(), DerivedOrigin::kDamaged);
    EXPECT_EQ(notes(*derived), 0);
    write(*derived, "b", Seq{1});
  }
  EXPECT_EQ(open(options())->origin(), DerivedOrigin::kContinued);
}

TEST_F(DerivedTest, DamageInTheMiddleIsFoundByTheCheck) {
  {
    const auto derived = open(options());
    for (std::uint64_t i = 1; i <= 200; ++i) write(*derived, std::string(500, 'n').c_str(), Seq{i});
    EXPECT_TRUE(*derived->intact(std::chrono::steady_clock::now() + 5s));
  }
  const int file = ::open(path().c_str(), O_RDWR);
  const std::string zeros(4096, '\0');
  ASSERT_EQ(::pwrite(file, zeros.data(), zeros.size(), 4096 * 8), 4096);
  ::close(file);
  const auto derived = open(options());
  const auto intact = derived->intact(std::chrono::steady_clock::now() + 5s);
  ASSERT_TRUE(intact.has_value()) << intact.error().what;
  EXPECT_FALSE(*intact);
}

TEST_F(DerivedTest, ReadersAreLentUpToTheLimitAndComeBack) {
  const auto derived = open(options());
  write(*derived, "a", Seq{1});
  auto first = derived->reader(std::chrono::steady_clock::now() + 1s);
  ASSERT_TRUE(first.has_value());
  {
    auto second = derived->reader(std::chrono::steady_clock::now() + 1s);
    ASSERT_TRUE(second.has_value());
    const auto third = derived->reader(std::chrono::steady_clock::now());
    ASSERT_FALSE(third.has_value());
    EXPECT_EQ(third.error().code, Errc::kUnavailable);
  }
  EXPECT_TRUE(derived->reader(std::chrono::steady_clock::now()).has_value());
}

TEST_F(DerivedTest, AReaderSeesWholeBatchesWhileTheWriterGoesOn) {
  const auto derived = open(options());
  std::atomic<bool> stop = false;
  std::atomic<int> odd = 0, reads = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      do {
        if (const auto n = notes(*derived); n < 0 || n % 2 != 0) ++odd;
        ++reads;
      } while (!stop);
    });
  }
  for (std::uint64_t i = 1; i <= 200; ++i) {
    ASSERT_TRUE(derived->begin());
    ASSERT_TRUE(derived->writer().run("INSERT INTO note VALUES ('one'), ('two')"));
    ASSERT_TRUE(derived->commit(Seq{i}));
  }
  stop = true;
  for (auto& thread : readers) thread.join();
  EXPECT_EQ(odd, 0);
  EXPECT_GE(reads, 2);
}

TEST_F(DerivedTest, AWaiterWakesWhenThePositionIsReachedAndGivesUpAtItsDeadline) {
  const auto derived = open(options());
  EXPECT_EQ(derived->wait_for(Seq{1}, std::chrono::steady_clock::now()), Seq{0});
  std::thread waiter([&] { EXPECT_EQ(derived->wait_for(Seq{2}, std::chrono::steady_clock::now() + 60s), Seq{2}); });
  write(*derived, "a", Seq{1});
  write(*derived, "b", Seq{2});
  waiter.join();
}

TEST_F(DerivedTest, DeletedRowsGiveTheirSpaceBack) {
  const auto derived = open(options());
  ASSERT_TRUE(derived->begin());
  for (int i = 0; i < 2000; ++i)
    ASSERT_TRUE(derived->writer().run("INSERT INTO note VALUES ($1)", std::string(1000, 'x')));
  ASSERT_TRUE(derived->commit(Seq{1}));
  ASSERT_TRUE(derived->release_space(0).has_value());
  const auto full = std::filesystem::file_size(path());
  ASSERT_TRUE(derived->begin());
  ASSERT_TRUE(derived->writer().run("DELETE FROM note"));
  ASSERT_TRUE(derived->commit(Seq{2}));
  EXPECT_EQ(*derived->release_space(1'000'000), 0U);
  EXPECT_LT(std::filesystem::file_size(path()) * 20, full);
}

TEST_F(DerivedTest, ASecondWriterInThisProcessIsRefused) {
  const auto derived = open(options());
  const auto second = DerivedDatabase::open(options());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::kConflict);
}

// Records 1 to 50 are purged; what they made is in the kept file.
class KeptTest : public DerivedTest {
 protected:
  KeptTest() {
    with_.projections = {{.name = "people",
                          .version = 1,
                          .sql = "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT);",
                          .kept_tables = {"person"}},
                         {.name = "notes", .version = 1, .sql = "CREATE TABLE note (text TEXT)"}};
    with_.path = path();
    with_.journal_last = Seq{100};
    with_.kept_path = directory_ + "/kept.db";
  }
  void fill(Seq position) {
    const auto derived = open(with_);
    ASSERT_TRUE(derived->begin());
    ASSERT_TRUE(derived->writer().run("INSERT INTO person VALUES (7, 'one'), (9, 'two')"));
    ASSERT_TRUE(derived->writer().run("INSERT INTO note VALUES ('gone')"));
    ASSERT_TRUE(derived->commit(position));
    ASSERT_TRUE(derived->keep());
  }
  DerivedDatabase::Options with_;
};

TEST_F(KeptTest, ADatabaseMadeAnewAfterAPurgeTakesTheKeptTablesOver) {
  fill(Seq{60});
  ASSERT_TRUE(Sqlite::remove_file(path()));
  with_.journal_first = Seq{51};
  {
    const auto derived = open(with_);
    EXPECT_EQ(derived->position(), Seq{0});
    EXPECT_EQ(derived->kept_until(), Seq{60});
    EXPECT_EQ(*derived->writer().query_integer("SELECT sum(id) FROM person"), 16);
    EXPECT_EQ(notes(*derived), 0);
    ASSERT_TRUE(derived->begin());
    ASSERT_TRUE(derived->commit(Seq{70}));
  }
  const auto derived = open(with_);
  EXPECT_EQ(derived->origin(), DerivedOrigin::kContinued);
  EXPECT_EQ(derived->kept_until(), Seq{60});
}

TEST_F(KeptTest, WithoutPurgedRecordsTheJournalAloneIsTheTruth) {
  fill(Seq{60});
  ASSERT_TRUE(Sqlite::remove_file(path()));
  const auto derived = open(with_);
  EXPECT_EQ(derived->kept_until(), Seq{0});
  EXPECT_EQ(*derived->writer().query_integer("SELECT count(*) FROM person"), 0);
}

TEST_F(KeptTest, LostConsequencesOfPurgedRecordsStopTheStartAndEveryLaterOne) {
  fill(Seq{60});
  ASSERT_TRUE(Sqlite::remove_file(path()));
  const auto refused = [&](const DerivedDatabase::Options& options) {
    const auto derived = DerivedDatabase::open(options);
    return !derived.has_value() && derived.error().code == Errc::kCorrupt && !std::filesystem::exists(path());
  };
  auto gap = with_;
  gap.journal_first = Seq{62};
  EXPECT_TRUE(refused(gap));
  EXPECT_TRUE(refused(gap));
  auto later = with_;
  later.journal_first = Seq{51};
  later.journal_last = Seq{59};
  EXPECT_TRUE(refused(later));
  auto other_version = with_;
  other_version.journal_first = Seq{51};
  other_version.projections[0].version = 2;
  EXPECT_TRUE(refused(other_version));
  auto missing = with_;
  missing.journal_first = Seq{51};
  missing.kept_path = directory_ + "/none.db";
  EXPECT_TRUE(refused(missing));
  with_.journal_first = Seq{51};
  EXPECT_EQ(open(with_)->kept_until(), Seq{60});
}

TEST_F(KeptTest, AFileOlderThanThePurgeIsMadeAnew) {
  fill(Seq{60});
  {
    auto older = with_;
    older.path = directory_ + "/older.db";
    ASSERT_TRUE(open(older)->position() == Seq{0});
  }
  auto older = with_;
  older.path = directory_ + "/older.db";
  older.journal_first = Seq{51};
  const auto derived = open(older);
  EXPECT_EQ(derived->origin(), DerivedOrigin::kRecordsPurged);
  EXPECT_EQ(*derived->writer().query_integer("SELECT count(*) FROM person"), 2);
}

TEST_F(KeptTest, KeepingWorksWhileABatchRunsAndHoldsTheLastCommit) {
  const auto derived = open(with_);
  ASSERT_TRUE(derived->begin());
  ASSERT_TRUE(derived->writer().run("INSERT INTO person VALUES (1, 'committed')"));
  ASSERT_TRUE(derived->commit(Seq{5}));
  ASSERT_TRUE(derived->begin());
  ASSERT_TRUE(derived->writer().run("INSERT INTO person VALUES (2, 'running')"));
  const auto kept = derived->keep();
  ASSERT_TRUE(kept) << kept.error().what;
  ASSERT_TRUE(derived->commit(Seq{6}));
  auto file = Sqlite::open_reader(with_.kept_path, {});
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(*(*file)->query_integer("SELECT count(*) FROM person"), 1);
  EXPECT_EQ(*(*file)->query_integer("SELECT until FROM kept"), 5);
  ASSERT_TRUE(derived->keep());
}

}  // namespace
}  // namespace minato
