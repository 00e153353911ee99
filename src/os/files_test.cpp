#include "os/files.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "os/clock.h"
#include "os/full_io.h"

namespace minato {
namespace {

std::string temporary_directory() {
  std::string pattern = "/tmp/minato-files-XXXXXX";
  return ::mkdtemp(pattern.data());
}

class RealFilesTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  void TearDown() override {
    const auto names = files_.list(directory_);
    if (names) {
      for (const auto& name : *names) (void)files_.remove(path(name));
    }
    (void)files_.remove(directory_);
  }
  Files& files_ = real_files();
  std::string directory_ = temporary_directory();
};

TEST_F(RealFilesTest, PiecesAreWrittenOneAfterAnotherAndReadBackAtAnyOffset) {
  const auto file = files_.open(path("f"), OpenMode::kCreateNew);
  ASSERT_TRUE(file) << file.error().what;
  std::vector<std::string> parts;
  std::string whole;
  for (int i = 0; i < 3'000; ++i)
    parts.push_back(std::string(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26)));
  std::vector<std::string_view> pieces;
  for (const auto& part : parts) {
    whole += part;
    pieces.push_back(part);
  }
  ASSERT_TRUE((*file)->pwrite(pieces, 10));  // more pieces than one pwritev takes
  ASSERT_TRUE((*file)->sync_data());
  EXPECT_EQ((*file)->size(), 10 + whole.size());
  std::string back(whole.size() + 100, '?');
  EXPECT_EQ((*file)->pread(back, 10), whole.size());
  EXPECT_EQ(back.substr(0, whole.size()), whole);
  EXPECT_EQ((*file)->pread(back, 1'000'000), 0u);
  ASSERT_TRUE((*file)->truncate(3));
  EXPECT_EQ((*file)->size(), 3u);
  const auto reserved = (*file)->preallocate(8'192);
  EXPECT_TRUE(reserved || reserved.error().code == Errc::kRefused);
}

TEST_F(RealFilesTest, OpenModesAnswerAsTheContractSays) {
  EXPECT_EQ(files_.open(path("f"), OpenMode::kRead).error().code, Errc::kNotFound);
  EXPECT_EQ(files_.open(path("f"), OpenMode::kReadWrite).error().code, Errc::kNotFound);
  ASSERT_TRUE(files_.open(path("f"), OpenMode::kCreateOrOpen));
  ASSERT_TRUE(files_.open(path("f"), OpenMode::kCreateOrOpen));
  EXPECT_EQ(files_.open(path("f"), OpenMode::kCreateNew).error().code, Errc::kConflict);
  const auto read_only = files_.open(path("f"), OpenMode::kRead);
  ASSERT_TRUE(read_only);
  const std::string_view piece = "x";
  EXPECT_FALSE((*read_only)->pwrite({&piece, 1}, 0));
}

TEST_F(RealFilesTest, ALockIsHeldAgainstEverybodyUntilItDies) {
  {
    const auto lock = files_.lock(path("lock"));
    ASSERT_TRUE(lock) << lock.error().what;
    EXPECT_EQ(files_.lock(path("lock")).error().code, Errc::kConflict);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(files_.lock(path("lock")) ? 0 : 7);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 7) << "another process must not get it";
  }
  EXPECT_TRUE(files_.lock(path("lock")));
}

TEST_F(RealFilesTest, DirectoriesAreMadeWithParentsAndListedSorted) {
  const std::string deep = path("a") + "/b/c";
  ASSERT_TRUE(files_.make_directories(deep));
  ASSERT_TRUE(files_.make_directories(deep));
  for (const auto* name : {"z", "y", "x"}) ASSERT_TRUE(files_.open(deep + "/" + name, OpenMode::kCreateNew));
  EXPECT_EQ(files_.list(deep), (std::vector<std::string>{"x", "y", "z"}));
  ASSERT_TRUE(files_.rename(deep + "/x", deep + "/w"));
  EXPECT_EQ(files_.exists(deep + "/x"), false);
  EXPECT_EQ(files_.exists(deep + "/w"), true);
  EXPECT_TRUE(files_.sync_directory(deep));
  EXPECT_EQ(files_.make_directories(deep + "/w").error().code, Errc::kConflict) << "a file is in the way";
  EXPECT_EQ(files_.list(path("none")).error().code, Errc::kNotFound);
  EXPECT_EQ(files_.remove(path("none")).error().code, Errc::kNotFound);
  for (const auto* name : {"w", "y", "z"}) ASSERT_TRUE(files_.remove(deep + "/" + name));
  ASSERT_TRUE(files_.remove(deep));
  ASSERT_TRUE(files_.remove(path("a") + "/b"));
  const auto space = files_.space(directory_);
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_GE(space->total_bytes, space->free_bytes);
}

TEST_F(RealFilesTest, AFileIsReplacedWholeAndReadUpToItsLimit) {
  ASSERT_TRUE(write_file_atomically(files_, path("f"), "one"));
  ASSERT_TRUE(write_file_atomically(files_, path("f"), "two and more"));
  EXPECT_EQ(read_file(files_, path("f"), 100), "two and more");
  EXPECT_EQ(read_file(files_, path("f"), 5).error().code, Errc::kTooLarge);
  EXPECT_EQ(files_.list(directory_), std::vector<std::string>{"f"}) << "nothing is left beside it";
}

// A system call that is interrupted, and moves one byte more each time it is not.
TEST(FullIo, ReadingGoesOnAfterSignalsAndShortReads) {
  const std::string content = "the bytes of the file";
  int calls = 0;
  const auto read = [&](void* to, std::size_t bytes, std::uint64_t at) -> ssize_t {
    if (++calls % 2 == 1) {
      errno = EINTR;
      return -1;
    }
    const auto count =
        std::min({bytes, static_cast<std::size_t>(calls), content.size() - std::min<std::size_t>(at, content.size())});
    std::copy_n(content.data() + at, count, static_cast<char*>(to));
    return static_cast<ssize_t>(count);
  };
  std::string into(100, '?');
  EXPECT_EQ(os::read_fully(read, into, 4), static_cast<ssize_t>(content.size() - 4));
  EXPECT_EQ(into.substr(0, content.size() - 4), content.substr(4));
  const auto broken = [](void*, std::size_t, std::uint64_t) -> ssize_t {
    errno = EIO;
    return -1;
  };
  EXPECT_EQ(os::read_fully(broken, into, 0), -1);
  EXPECT_EQ(errno, EIO);
}

TEST(FullIo, WritingGoesOnAfterSignalsAndShortWritesAndStopsWhenNothingMoves) {
  std::string written;
  int calls = 0;
  const auto write = [&](const iovec* pieces, int count, std::uint64_t at) -> ssize_t {
    EXPECT_EQ(at, written.size() + 50);
    EXPECT_LE(count, 2);
    if (++calls % 3 == 1) {
      errno = EINTR;
      return -1;
    }
    std::string flat;
    for (int i = 0; i < count; ++i) flat.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    const auto part = flat.substr(0, static_cast<std::size_t>(calls));
    written += part;
    return static_cast<ssize_t>(part.size());
  };
  std::vector<std::string> parts = {"", "one", "", "two", "three", "four", ""};
  std::vector<iovec> pieces;
  for (auto& part : parts) pieces.push_back({part.data(), part.size()});
  EXPECT_TRUE(os::write_fully(write, std::span(pieces), 50, 2));
  EXPECT_EQ(written, "onetwothreefour");
  const auto full = [](const iovec*, int, std::uint64_t) -> ssize_t { return 0; };
  std::vector<iovec> one = {{parts[1].data(), parts[1].size()}};
  EXPECT_FALSE(os::write_fully(full, std::span(one), 0, 2));
  EXPECT_EQ(errno, ENOSPC);
}

TEST(RealClock, GoesOnAndRandomDiffers) {
  const auto before = real_clock().steady();
  EXPECT_GE(real_clock().steady(), before);
  EXPECT_GT(to_micros(real_clock().now()), 1'700'000'000'000'000);
  EXPECT_NE(real_random().next(), real_random().next());
}

}  // namespace
}  // namespace minato
