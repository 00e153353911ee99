// A disk in memory that fails as disks do, replayable from a seed.
//
//   sim::SimFiles files(seed);
//   files.power_cut_after(17);      // the 17th change from now is the last thing that happens
//   … run the code until it fails …
//   files.power_cut();              // what was not synced is dropped, reordered and torn; the power is on again
//   … open again and compare …
//
// The model. What a process reads is the page cache; what survives is the disk. Writes and changes of size reach the
// disk at sync_data(), creations, renames and removals at sync_directory(). A power cut lets any subset of what was not
// synced reach the disk: file contents sector by sector (512 bytes, each whole: the one thing real disks promise), in
// any order but for writes to one sector; names in any order but for changes of one name. A failed sync drops the
// writes that it should have made durable although reading still shows them, as Linux does: only writing again helps.
// Directories themselves are durable at once. Handles of before a power cut or a kill answer kUnavailable.
//
// Any thread may call anything. Deterministic for one thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "os/files.h"
#include "os/sim/seeded_random.h"

namespace minato::sim {

struct Inode;

class SimFiles final : public Files {
 public:
  static constexpr std::size_t kSectorBytes = 512;

  explicit SimFiles(std::uint64_t seed, std::uint64_t capacity_bytes = std::uint64_t{1} << 30);
  ~SimFiles() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<bool> exists(const std::string& path) override;
  Status make_directories(const std::string& directory) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& directory) override;
  Result<SpaceInfo> space(const std::string& directory) override;
  Result<std::unique_ptr<File>> lock(const std::string& path) override;

  // The power goes now and comes back: only what reached the disk is there.
  void power_cut();
  // The n-th change from now (1: the next) takes place in the page cache, and then everything fails until power_cut().
  void power_cut_after(std::uint64_t changes);
  // The process dies: the page cache stays, handles and locks go.
  void process_kill();
  bool powered() const;

  // The n-th call from now answers kCorrupt (EIO), once. A failing write leaves a part of itself behind.
  void fail_sync_after(std::uint64_t syncs);
  void fail_write_after(std::uint64_t writes);
  // A read that touches this byte answers kCorrupt (EIO), until power_cut().
  void fail_reads_at(const std::string& path, std::uint64_t offset);
  // What is still to fail will not. power_cut() does this too.
  void clear_faults();
  // All files together hold at most this; beyond it a write leaves a part of itself behind and answers "no space".
  void set_capacity(std::uint64_t bytes);
  // The medium rots: these bits of the byte turn over, on the disk and in the page cache.
  void flip(const std::string& path, std::uint64_t offset, unsigned char bits);

  // What a process would read, and changes so far (for power_cut_after). Empty when there is no such file.
  std::string bytes(const std::string& path) const;
  void set_bytes(const std::string& path, std::string_view bytes);  // durable at once
  std::uint64_t changes() const;

 private:
  friend class SimFile;
  struct NameChange {
    std::string directory;
    std::string path;
    std::shared_ptr<Inode> inode;  // nullptr: removed
    std::string also_removed;      // the old name of a rename
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  // These are called with mutex_ held.
  Status check_alive(std::uint64_t life) const;
  Status count_change();  // an error when this change is the one at which the power goes
  std::uint64_t used_bytes() const;
  Status resize(Inode& inode, std::uint64_t size);
  Status write(Inode& inode, std::string_view bytes, std::uint64_t offset);
  Status sync(Inode& inode);
  void change_name(NameChange change);
  static void apply(Names& names, const NameChange& change);
  void settle(Inode& inode);

  mutable std::mutex mutex_;
  SeededRandom random_;
  std::uint64_t capacity_bytes_;
  std::uint64_t life_ = 1;
  bool powered_ = true;
  std::uint64_t changes_ = 0;
  std::optional<std::uint64_t> power_cut_in_, fail_sync_in_, fail_write_in_;
  std::set<std::string> directories_;
  std::set<std::string> locks_;
  Names visible_, durable_;
  std::vector<NameChange> unsynced_names_;
};

}  // namespace minato::sim
