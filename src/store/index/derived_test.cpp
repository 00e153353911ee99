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

}  // namespace
}  // namespace minato
