#include "os/sim/sim_files.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "os/sim/sim_clock.h"

namespace minato::sim {
namespace {

Status write(File& file, std::string_view bytes, std::uint64_t offset) { return file.pwrite({&bytes, 1}, offset); }

// A disk with a directory, and in it a durable file "f" of `bytes`.
struct Disk {
  explicit Disk(std::uint64_t seed, std::string_view bytes = "") : files(seed) {
    EXPECT_TRUE(files.make_directories("d"));
    files.set_bytes("d/f", bytes);
    file = std::move(*files.open("d/f", OpenMode::kReadWrite));
  }
  SimFiles files;
  std::unique_ptr<File> file;
};

TEST(SimFiles, WhatWasSyncedSurvivesEveryPowerCut) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Disk disk(seed);
    ASSERT_TRUE(write(*disk.file, std::string(5'000, 'a'), 0));
    ASSERT_TRUE(disk.file->sync_data());
    ASSERT_TRUE(write(*disk.file, std::string(5'000, 'b'), 5'000));
    disk.files.power_cut();
    EXPECT_EQ(disk.files.bytes("d/f").substr(0, 5'000), std::string(5'000, 'a')) << "seed " << seed;
  }
}

TEST(SimFiles, WhatWasNotSyncedIsLostTornAndReorderedBySectors) {
  bool lost_all = false, kept_all = false, torn = false, reordered = false;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed, std::string(4'096, 'a'));
    ASSERT_TRUE(write(*disk.file, std::string(4'096, 'b'), 0));
    EXPECT_EQ(disk.files.bytes("d/f"), std::string(4'096, 'b')) << "a process reads what it wrote";
    disk.files.power_cut();
    const auto after = disk.files.bytes("d/f");
    ASSERT_EQ(after.size(), 4'096u);
    std::string sectors;
    for (std::size_t at = 0; at < after.size(); at += SimFiles::kSectorBytes) {
      ASSERT_EQ(after.substr(at, SimFiles::kSectorBytes), std::string(SimFiles::kSectorBytes, after[at]))
          << "a sector is whole";
      sectors.push_back(after[at]);
    }
    const auto kept = std::ranges::count(sectors, 'b');
    lost_all |= kept == 0;
    kept_all |= kept == 8;
    torn |= kept > 0 && kept < 8;
    reordered |= sectors.find("ab") != std::string::npos;
  }
  EXPECT_TRUE(lost_all);
  EXPECT_TRUE(kept_all);
  EXPECT_TRUE(torn);
  EXPECT_TRUE(reordered) << "a later sector may reach the disk before an earlier one";
}

TEST(SimFiles, AFailedSyncLosesWritesThatReadingStillShowsAndALaterSyncDoesNotBringThem) {
  bool lost = false;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk(seed);
    ASSERT_TRUE(write(*disk.file, std::string(2'048, 'a'), 0));
    disk.files.fail_sync_after(1);
    const auto failed = disk.file->sync_data();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::kCorrupt);
    ASSERT_TRUE(disk.file->sync_data());
    EXPECT_EQ(disk.files.bytes("d/f"), std::string(2'048, 'a'));
    disk.files.power_cut();
    lost |= disk.files.bytes("d/f") != std::string(2'048, 'a');
  }
  EXPECT_TRUE(lost);
}

TEST(SimFiles, NamesSurviveOnlyWithTheirDirectorySynced) {
  bool lost = false, kept = false;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimFiles files(seed);
    ASSERT_TRUE(files.make_directories("d"));
    auto file = std::move(*files.open("d/new", OpenMode::kCreateNew));
    ASSERT_TRUE(write(*file, "content", 0));
    ASSERT_TRUE(file->sync_data());
    ASSERT_TRUE(files.sync_directory("d"));
    ASSERT_TRUE(files.rename("d/new", "d/name"));
    files.power_cut();
    const bool renamed = *files.exists("d/name");
    EXPECT_NE(renamed, *files.exists("d/new")) << "a rename is one change";
    EXPECT_EQ(files.bytes(renamed ? "d/name" : "d/new"), "content");
    (renamed ? kept : lost) = true;
  }
  EXPECT_TRUE(lost);
  EXPECT_TRUE(kept);
}

TEST(SimFiles, TheSameSeedGivesTheSameDisk) {
  const auto history = [](std::uint64_t seed) {
    Disk disk(seed, std::string(3'000, 'x'));
    for (int i = 0; i < 20; ++i)
      EXPECT_TRUE(write(*disk.file, std::string(700, static_cast<char>('a' + i)), static_cast<std::uint64_t>(i) * 333));
    disk.files.power_cut();
    return disk.files.bytes("d/f");
  };
  EXPECT_EQ(history(5), history(5));
  EXPECT_NE(history(5), history(6));
}

TEST(SimFiles, AFullDiskWritesAPartAndSaysSo) {
  Disk disk(1);
  disk.files.set_capacity(1'000);
  const auto full = write(*disk.file, std::string(1'500, 'a'), 0);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kUnavailable);
  EXPECT_NE(full.error().what.find("no space"), std::string::npos);
  EXPECT_EQ(disk.files.bytes("d/f").size(), 1'000u);
  EXPECT_TRUE(write(*disk.file, std::string(1'000, 'b'), 0)) << "overwriting needs no space";
  EXPECT_EQ(disk.files.space("d")->free_bytes, 0u);
}

TEST(SimFiles, ThePowerGoesAtTheChangeThatWasNamedAndHandlesDieWithIt) {
  Disk disk(1);
  disk.files.power_cut_after(3);
  EXPECT_TRUE(write(*disk.file, "1", 0));
  EXPECT_TRUE(write(*disk.file, "2", 1));
  EXPECT_FALSE(write(*disk.file, "3", 2));
  EXPECT_FALSE(disk.files.powered());
  EXPECT_FALSE(disk.files.list("d"));
  disk.files.power_cut();
  EXPECT_TRUE(disk.files.powered());
  std::string byte(1, ' ');
  EXPECT_EQ(disk.file->pread(byte, 0).error().code, Errc::kUnavailable);
}

TEST(SimFiles, AKillKeepsThePageCacheAndFreesLocks) {
  Disk disk(1);
  const auto lock = std::move(*disk.files.lock("d/lock"));
  EXPECT_EQ(disk.files.lock("d/lock").error().code, Errc::kConflict);
  ASSERT_TRUE(write(*disk.file, "not synced", 0));
  disk.files.process_kill();
  EXPECT_EQ(disk.files.bytes("d/f"), "not synced");
  EXPECT_TRUE(disk.files.lock("d/lock"));
}

TEST(SimFiles, RotAndBadSectorsAreReadAsSuch) {
  Disk disk(1, "abcdef");
  disk.files.flip("d/f", 2, 0x01);
  std::string back(6, ' ');
  ASSERT_TRUE(disk.file->pread(back, 0));
  EXPECT_EQ(back, "abbdef");
  disk.files.fail_reads_at("d/f", 4);
  EXPECT_EQ(disk.file->pread(back, 0).error().code, Errc::kCorrupt);
  EXPECT_TRUE(disk.file->pread(std::span(back).first(4), 0));
}

TEST(SimClock, MovesOnlyWhenToldAndJumpsWithoutTheSteadyClock) {
  SimClock clock;
  const auto wall = clock.now();
  const auto steady = clock.steady();
  clock.advance(std::chrono::seconds(2));
  clock.jump(std::chrono::hours(-1));
  EXPECT_EQ(clock.now() - wall, std::chrono::seconds(2) - std::chrono::hours(1));
  EXPECT_EQ(clock.steady() - steady, std::chrono::seconds(2));
}

}  // namespace
}  // namespace minato::sim
