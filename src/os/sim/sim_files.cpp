#include "os/sim/sim_files.h"

#include <algorithm>

namespace minato::sim {

// A file's contents: what reading shows, what a power cut leaves, and the changes between.
struct Inode {
  struct Change {
    bool is_resize = false;
    std::uint64_t offset = 0;  // of the write, or the new size
    std::string bytes;
  };
  std::string visible;
  std::string durable;
  std::vector<Change> unsynced;
  std::set<std::uint64_t> bad_bytes;
};

namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

void put(std::string& into, std::string_view bytes, std::uint64_t offset) {
  if (into.size() < offset + bytes.size()) into.resize(offset + bytes.size(), '\0');
  into.replace(offset, bytes.size(), bytes);
}

// True when the countdown reaches its end with this call.
bool counts_down(std::optional<std::uint64_t>& in) {
  if (!in) return false;
  if (--*in > 0) return false;
  in.reset();
  return true;
}

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimFiles& files, std::shared_ptr<Inode> inode, std::string path, OpenMode mode)
      : files_(files), inode_(std::move(inode)), path_(std::move(path)), mode_(mode), life_(files.life_) {}
  ~SimFile() override {
    if (!is_lock_) return;
    const std::lock_guard guard(files_.mutex_);
    if (life_ == files_.life_) files_.locks_.erase(path_);
  }
  void make_lock() { is_lock_ = true; }

  Result<std::size_t> pread(std::span<char> into, std::uint64_t offset) const override {
    const std::lock_guard guard(files_.mutex_);
    MN_CHECK(files_.check_alive(life_));
    const auto& bytes = inode_->visible;
    if (offset >= bytes.size()) return 0u;
    const auto count = std::min<std::uint64_t>(into.size(), bytes.size() - offset);
    const auto bad = inode_->bad_bytes.lower_bound(offset);
    if (bad != inode_->bad_bytes.end() && *bad < offset + count) {
      return fail(Errc::kCorrupt, "read " + path_ + ": simulated EIO");
    }
    std::copy_n(bytes.data() + offset, count, into.data());
    return static_cast<std::size_t>(count);
  }

  Status pwrite(std::span<const std::string_view> pieces, std::uint64_t offset) override {
    const std::lock_guard guard(files_.mutex_);
    MN_CHECK(files_.check_alive(life_));
    if (mode_ == OpenMode::kRead) return fail(Errc::kRefused, "write " + path_ + ": opened for reading");
    std::string whole;
    for (const auto piece : pieces) whole += piece;
    return files_.write(*inode_, whole, offset);
  }

  Status sync_data() override {
    const std::lock_guard guard(files_.mutex_);
    MN_CHECK(files_.check_alive(life_));
    return files_.sync(*inode_);
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard guard(files_.mutex_);
    MN_CHECK(files_.check_alive(life_));
    return std::uint64_t{inode_->visible.size()};
  }

  Status truncate(std::uint64_t size) override {
    const std::lock_guard guard(files_.mutex_);
    MN_CHECK(files_.check_alive(life_));
    return files_.resize(*inode_, size);
  }

  Status preallocate(std::uint64_t size) override {
    const std::lock_guard guard(files_.mutex_);
    MN_CHECK(files_.check_alive(life_));
    if (size <= inode_->visible.size()) return {};
    return files_.resize(*inode_, size);
  }

 private:
  SimFiles& files_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  OpenMode mode_;
  std::uint64_t life_;
  bool is_lock_ = false;
};

SimFiles::SimFiles(std::uint64_t seed, std::uint64_t capacity_bytes) : random_(seed), capacity_bytes_(capacity_bytes) {}
SimFiles::~SimFiles() = default;

Status SimFiles::check_alive(std::uint64_t life) const {
  if (!powered_) return fail(Errc::kUnavailable, "simulated: the power is off");
  if (life != life_) return fail(Errc::kUnavailable, "simulated: a handle from before the crash");
  return {};
}

Status SimFiles::count_change() {
  ++changes_;
  if (!counts_down(power_cut_in_)) return {};
  powered_ = false;
  return fail(Errc::kUnavailable, "simulated: the power went");
}

std::uint64_t SimFiles::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [path, inode] : visible_) used += inode->visible.size();
  return used;
}

Status SimFiles::resize(Inode& inode, std::uint64_t size) {
  const auto before = inode.visible.size();
  if (size > before && used_bytes() + (size - before) > capacity_bytes_) {
    return fail(Errc::kUnavailable, "simulated: no space");
  }
  inode.visible.resize(size, '\0');
  inode.unsynced.push_back({.is_resize = true, .offset = size, .bytes = {}});
  return count_change();
}

Status SimFiles::write(Inode& inode, std::string_view bytes, std::uint64_t offset) {
  std::uint64_t fits = bytes.size();
  const auto grows = offset + bytes.size() > inode.visible.size() ? offset + bytes.size() - inode.visible.size() : 0;
  const auto used = used_bytes();
  const auto left = capacity_bytes_ > used ? capacity_bytes_ - used : 0;
  if (grows > left) fits = bytes.size() - std::min<std::uint64_t>(bytes.size(), grows - left);
  const bool no_space = fits < bytes.size();
  const bool fails = counts_down(fail_write_in_);
  if (fails) fits = random_.below(fits + 1);
  if (fits > 0) {
    put(inode.visible, bytes.substr(0, fits), offset);
    inode.unsynced.push_back({.is_resize = false, .offset = offset, .bytes = std::string(bytes.substr(0, fits))});
  }
  MN_CHECK(count_change());
  if (fails) return fail(Errc::kCorrupt, "simulated: EIO on write");
  if (no_space) return fail(Errc::kUnavailable, "simulated: no space");
  return {};
}

Status SimFiles::sync(Inode& inode) {
  MN_CHECK(count_change());  // the power goes before the disk has written anything
  if (counts_down(fail_sync_in_)) {
    // The kernel gives the dirty pages up: some reached the disk, all look clean from now on.
    auto visible = inode.visible;
    settle(inode);
    inode.visible = std::move(visible);
    return fail(Errc::kCorrupt, "simulated: EIO on sync");
  }
  for (const auto& change : inode.unsynced) {
    if (change.is_resize) {
      inode.durable.resize(change.offset, '\0');
    } else {
      put(inode.durable, change.bytes, change.offset);
    }
  }
  inode.unsynced.clear();
  return {};
}

// Lets a random part of the unsynced changes reach the disk and forgets the others; reading then shows the disk. A
// sector or the size that missed one change misses all later ones too.
void SimFiles::settle(Inode& inode) {
  constexpr std::uint64_t kPercents[] = {0, 20, 50, 80, 95, 100};
  const auto percent = kPercents[random_.below(std::size(kPercents))];
  std::set<std::uint64_t> missed;
  bool missed_size = false;
  for (const auto& change : inode.unsynced) {
    if (change.is_resize) {
      missed_size = missed_size || !random_.chance(percent);
      if (!missed_size) inode.durable.resize(change.offset, '\0');
      continue;
    }
    for (std::uint64_t from = 0; from < change.bytes.size();) {
      const auto at = change.offset + from;
      const auto count = std::min<std::uint64_t>(kSectorBytes - at % kSectorBytes, change.bytes.size() - from);
      const auto sector = at / kSectorBytes;
      if (missed.contains(sector) || !random_.chance(percent)) {
        missed.insert(sector);
      } else {
        put(inode.durable, std::string_view(change.bytes).substr(from, count), at);
      }
      from += count;
    }
  }
  inode.unsynced.clear();
  inode.visible = inode.durable;
}

void SimFiles::apply(Names& names, const NameChange& change) {
  if (!change.also_removed.empty()) names.erase(change.also_removed);
  if (change.inode) {
    names[change.path] = change.inode;
  } else {
    names.erase(change.path);
  }
}

void SimFiles::change_name(NameChange change) {
  apply(visible_, change);
  unsynced_names_.push_back(std::move(change));
}

Result<std::unique_ptr<File>> SimFiles::open(const std::string& path, OpenMode mode) {
  const std::lock_guard guard(mutex_);
  MN_CHECK(check_alive(life_));
  auto found = visible_.find(path);
  if (found != visible_.end() && mode == OpenMode::kCreateNew)
    return fail(Errc::kConflict, "open " + path + ": exists");
  if (found == visible_.end()) {
    if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite) return fail(Errc::kNotFound, "open " + path);
    if (!directories_.contains(directory_of(path))) return fail(Errc::kNotFound, "open " + path + ": no directory");
    change_name(
        {.directory = directory_of(path), .path = path, .inode = std::make_shared<Inode>(), .also_removed = {}});
    MN_CHECK(count_change());
    found = visible_.find(path);
  }
  return std::make_unique<SimFile>(*this, found->second, path, mode);
}

Result<std::vector<std::string>> SimFiles::list(const std::string& directory) {
  const std::lock_guard guard(mutex_);
  MN_CHECK(check_alive(life_));
  if (!directories_.contains(directory)) return fail(Errc::kNotFound, "list " + directory);
  std::vector<std::string> names;
  const auto add = [&](const std::string& path) {
    if (directory_of(path) == directory) names.push_back(path.substr(directory.size() + 1));
  };
  for (const auto& [path, inode] : visible_) add(path);
  for (const auto& path : directories_) add(path);
  std::ranges::sort(names);
  return names;
}

Result<bool> SimFiles::exists(const std::string& path) {
  const std::lock_guard guard(mutex_);
  MN_CHECK(check_alive(life_));
  return visible_.contains(path) || directories_.contains(path);
}

Status SimFiles::make_directories(const std::string& directory) {
  const std::lock_guard guard(mutex_);
  MN_CHECK(check_alive(life_));
  for (std::size_t end = directory.find('/', 1);; end = directory.find('/', end + 1)) {
    const std::string part = directory.substr(0, end);
    if (visible_.contains(part)) return fail(Errc::kConflict, "make directory " + part + ": a file is there");
    directories_.insert(part);
    if (end == std::string::npos) return {};
  }
}

Status SimFiles::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(mutex_);
  MN_CHECK(check_alive(life_));
  const auto found = visible_.find(from);
  if (found == visible_.end()) return fail(Errc::kNotFound, "rename " + from);
  change_name({.directory = directory_of(to), .path = to, .inode = found->second, .also_removed = from});
  return count_change();
}

Status SimFiles::remove(const std::string& path) {
  const std::lock_guard guard(mutex_);
  MN_CHECK(check_alive(life_));
  if (!visible_.contains(path)) return fail(Errc::kNotFound, "remove " + path);
  change_name({.directory = directory_of(path), .path = path, .inode = nullptr, .also_removed = {}});
  return count_change();
}

Status SimFiles::sync_directory(const std::string& directory) {
  const std::lock_guard guard(mutex_);
  MN_CHECK(check_alive(life_));
  MN_CHECK(count_change());
  if (counts_down(fail_sync_in_)) return fail(Errc::kCorrupt, "simulated: EIO on sync of a directory");
  std::erase_if(unsynced_names_, [&](const NameChange& change) {
    if (change.directory != directory) return false;
    apply(durable_, change);
    return true;
  });
  return {};
}

Result<SpaceInfo> SimFiles::space(const std::string&) {
  const std::lock_guard guard(mutex_);
  MN_CHECK(check_alive(life_));
  const auto used = used_bytes();
  return SpaceInfo{.total_bytes = capacity_bytes_, .free_bytes = capacity_bytes_ > used ? capacity_bytes_ - used : 0};
}

Result<std::unique_ptr<File>> SimFiles::lock(const std::string& path) {
  MN_TRY(file, open(path, OpenMode::kCreateOrOpen));
  const std::lock_guard guard(mutex_);
  if (!locks_.insert(path).second) return fail(Errc::kConflict, "lock " + path + ": held");
  static_cast<SimFile*>(file.get())->make_lock();
  return file;
}

void SimFiles::power_cut() {
  const std::lock_guard guard(mutex_);
  // A name that missed one change misses all later ones too.
  std::set<std::string> missed;
  for (const auto& change : unsynced_names_) {
    const bool misses = missed.contains(change.path) || missed.contains(change.also_removed) || random_.chance(40);
    if (!misses) {
      apply(durable_, change);
      continue;
    }
    missed.insert(change.path);
    if (!change.also_removed.empty()) missed.insert(change.also_removed);
  }
  unsynced_names_.clear();
  visible_ = durable_;
  for (const auto& [path, inode] : visible_) {
    settle(*inode);
    inode->visible = inode->durable;
    inode->bad_bytes.clear();
  }
  powered_ = true;
  ++life_;
  locks_.clear();
  power_cut_in_.reset();
  fail_sync_in_.reset();
  fail_write_in_.reset();
}

void SimFiles::clear_faults() {
  const std::lock_guard guard(mutex_);
  power_cut_in_.reset();
  fail_sync_in_.reset();
  fail_write_in_.reset();
}

void SimFiles::power_cut_after(std::uint64_t changes) {
  const std::lock_guard guard(mutex_);
  power_cut_in_ = changes;
}

void SimFiles::process_kill() {
  const std::lock_guard guard(mutex_);
  ++life_;
  locks_.clear();
}

bool SimFiles::powered() const {
  const std::lock_guard guard(mutex_);
  return powered_;
}

void SimFiles::fail_sync_after(std::uint64_t syncs) {
  const std::lock_guard guard(mutex_);
  fail_sync_in_ = syncs;
}

void SimFiles::fail_write_after(std::uint64_t writes) {
  const std::lock_guard guard(mutex_);
  fail_write_in_ = writes;
}

void SimFiles::fail_reads_at(const std::string& path, std::uint64_t offset) {
  const std::lock_guard guard(mutex_);
  if (const auto found = visible_.find(path); found != visible_.end()) found->second->bad_bytes.insert(offset);
}

void SimFiles::set_capacity(std::uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  capacity_bytes_ = bytes;
}

void SimFiles::flip(const std::string& path, std::uint64_t offset, unsigned char bits) {
  const std::lock_guard guard(mutex_);
  const auto found = visible_.find(path);
  if (found == visible_.end()) return;
  for (auto* bytes : {&found->second->visible, &found->second->durable}) {
    if (offset < bytes->size()) (*bytes)[offset] = static_cast<char>((*bytes)[offset] ^ static_cast<char>(bits));
  }
}

std::string SimFiles::bytes(const std::string& path) const {
  const std::lock_guard guard(mutex_);
  const auto found = visible_.find(path);
  return found == visible_.end() ? std::string() : found->second->visible;
}

void SimFiles::set_bytes(const std::string& path, std::string_view bytes) {
  const std::lock_guard guard(mutex_);
  directories_.insert(directory_of(path));
  auto inode = std::make_shared<Inode>();
  inode->visible = inode->durable = bytes;
  visible_[path] = durable_[path] = inode;
}

std::uint64_t SimFiles::changes() const {
  const std::lock_guard guard(mutex_);
  return changes_;
}

}  // namespace minato::sim
