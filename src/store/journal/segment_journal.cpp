#include "store/journal/segment_journal.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <shared_mutex>
#include <stop_token>
#include <thread>

#include "os/priority.h"
#include "store/journal/backup.h"
#include "store/journal/group_committer.h"
#include "store/journal/sealed_segment.h"
#include "store/journal/segment_table.h"
#include "store/journal/segment_writer.h"

namespace minato {

namespace {

// Bodies up to this size are copied beside their record's head, so that a group is few pieces; larger ones are moved.
constexpr std::size_t kCopyBytesMax = 32 * kKiB;
// Free space is asked for at most this often while there is plenty.
constexpr auto kSpaceCheckInterval = std::chrono::milliseconds(250);
constexpr auto kMaintenanceRetry = std::chrono::seconds(10);

constexpr std::string_view kLowSpaceText = "journal: the disk is nearly full";

std::unexpected<Error> for_good(const Error& error) { return fail(Errc::kCorrupt, "journal: " + error.what); }

Status verify_raw(const Segment& segment, const File& file) {
  std::string bytes(segment.end, '\0');
  MN_TRY(got, file.pread(bytes, 0));
  if (got != bytes.size()) return fail(Errc::kCorrupt, "file ends early");
  MN_TRY(scanned, scan_segment(bytes));
  if (scanned.end != segment.end || scanned.offsets != segment.offsets) {
    return fail(Errc::kCorrupt, "rot at byte " + std::to_string(scanned.end));
  }
  return {};
}

class SegmentJournalImpl final : public SegmentJournal, private CommitTarget {
 public:
  SegmentJournalImpl(Files& files, Clock& clock, SegmentJournalOptions options)
      : files_(files),
        clock_(clock),
        options_(std::move(options)),
        table_(files, options_.directory),
        writer_(options_.zero_ahead_bytes) {}
  ~SegmentJournalImpl() override { close(); }

  Status open();

  Status submit(std::vector<Submission> batch) override { return committer_->submit(std::move(batch)); }
  Result<Seq> append(std::vector<Record> records, std::vector<Fence> fences) override {
    return committer_->append(std::move(records), std::move(fences));
  }
  Result<std::vector<Entry>> read(Seq from, ReadLimits limits) override { return table_.read(from, limits); }
  Seq wait_past(Seq seen, Deadline deadline) override { return table_.wait_past(seen, deadline); }
  Result<Seq> purge(Seq through) override;
  JournalStats stats() const override;
  void close() override;

  const RecoveryReport& recovery() const override { return recovery_; }
  Status roll() override;
  Result<bool> maintain() override;
  VerifyReport verify() override;
  Result<BackupReport> backup(Files& to, const std::string& directory) override;

 private:
  // CommitTarget: on the committing thread, one at a time.
  Status prepare(CommitItem& item) override;
  Status commit(std::span<CommitItem> group) override;
  void rest() override { writer_.mark(); }

  bool has_space(std::uint64_t bytes);
  void set_space_low(bool low);
  void publish(std::span<CommitItem> group, std::span<const std::uint32_t> offsets);
  Status roll_active();
  void adopt_active(const OpenSegment& segment);

  void adopt(RecoveredJournal recovered);
  Result<bool> seal(const Segment& segment);
  Status write_sealed(const std::string& to, std::string_view bytes);
  Result<std::string> sealed_bytes(const Segment& segment);
  std::vector<Segment> segments_now();
  Status verify_segment(const Segment& segment);
  void maintain_until(const std::stop_token& stop);
  void want_maintenance();
  Random& random() const { return options_.random != nullptr ? *options_.random : real_random(); }
  std::string path(const std::string& name) const { return options_.directory + "/" + name; }

  Files& files_;
  Clock& clock_;
  const SegmentJournalOptions options_;
  std::unique_ptr<File> lock_;
  SegmentTable table_;
  RecoveryReport recovery_;

  // Owned by whoever commits.
  SegmentWriter writer_;
  Seq active_first_;
  Seq next_seq_;
  bool space_low_ = false;
  Deadline::duration space_checked_{};
  std::uint64_t bytes_since_space_check_ = 0;

  std::atomic<std::uint64_t> records_{0};
  std::atomic<bool> closing_{false};
  std::mutex close_mutex_;
  std::shared_mutex keep_mutex_;  // shared: no segment may be purged; exclusive: a purge
  std::mutex maintenance_mutex_;  // held by what adds, swaps or removes segments that are not active
  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  bool maintenance_wanted_ = false;

  std::unique_ptr<GroupCommitter> committer_;
  std::jthread maintenance_thread_;
};

Status SegmentJournalImpl::open() {
  const std::string& directory = options_.directory;
  MN_CHECK(files_.make_directories(directory));
  const auto slash = directory.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    // The new directory's own name; one that we may not read (it is not ours) was there before.
    if (const auto synced = files_.sync_directory(directory.substr(0, slash));
        !synced && synced.error().code == Errc::kCorrupt) {
      return synced;
    }
  }
  MN_TRY(lock, files_.lock(path("lock")));
  lock_ = std::move(lock);
  MN_TRY(names, files_.list(directory));
  const bool has_segments =
      std::ranges::any_of(names, [](const auto& name) { return parse_segment_name(name).has_value(); });
  MN_CHECK(check_format_file(files_, path("format"), "minato-journal",
                             has_segments ? IfAbsent::kCorrupt : IfAbsent::kCreate));
  MN_TRY(recovered,
         recover_segments(files_, directory, {.first = Seq{1}, .mark = random().next(), .created = clock_.now()}));
  adopt(std::move(recovered));
  const bool own_thread = options_.maintenance == Maintenance::kOwnThread;
  committer_ = std::make_unique<GroupCommitter>(static_cast<CommitTarget&>(*this), clock_,
                                                GroupCommitter::Options{.mode = options_.commit_mode,
                                                                        .group_bytes_max = options_.group_bytes_max,
                                                                        .pending_bytes_max = options_.pending_bytes_max,
                                                                        .own_thread = own_thread,
                                                                        .events = options_.events});
  if (own_thread) {
    maintenance_thread_ = std::jthread([this](const std::stop_token& stop) { maintain_until(stop); });
  }
  return {};
}

void SegmentJournalImpl::adopt(RecoveredJournal recovered) {
  recovery_ = recovered.report;
  next_seq_ = next(recovery_.last);
  for (auto& found : recovered.segments) {
    auto segment = std::make_shared<Segment>();
    segment->name = found.name;
    segment->first = found.first;
    segment->file_bytes = found.file_bytes;
    if (found.raw) {
      segment->raw_file = found.raw->file;
      segment->offsets = found.raw->scanned.offsets;
      segment->end = found.raw->scanned.end;
    } else {
      segment->sealed_last = *found.sealed_last;
    }
    table_.add(std::move(segment));
  }
  adopt_active(*recovered.segments.back().raw);
}

// ---- commit ----

Status SegmentJournalImpl::prepare(CommitItem& item) {
  std::string piece;
  std::size_t small_bytes = 0;
  for (const auto& record : item.records) {
    const auto bytes = encoded_bytes(record);
    if (bytes > kJournalRecordBytesMax) return fail(Errc::kTooLarge, "journal: a record above the limit");
    small_bytes += record.body.size() <= kCopyBytesMax ? bytes : bytes - record.body.size();
    item.encoded_bytes += bytes;
    item.record_bytes.push_back(static_cast<std::uint32_t>(bytes));
  }
  if (item.encoded_bytes > options_.pending_bytes_max)
    return fail(Errc::kTooLarge, "journal: a submission above the limit");
  piece.reserve(small_bytes);
  for (auto& record : item.records) {
    encode_record_head(piece, record);
    if (record.body.size() <= kCopyBytesMax) {
      piece += record.body;
    } else {
      item.encoded.push_back(std::move(piece));
      item.encoded.push_back(std::move(record.body));
      piece.clear();
    }
  }
  if (!piece.empty()) item.encoded.push_back(std::move(piece));
  item.records.clear();
  return {};
}

void SegmentJournalImpl::set_space_low(bool low) {
  if (space_low_ == low) return;
  space_low_ = low;
  if (options_.events.space_low) options_.events.space_low(low);
}

bool SegmentJournalImpl::has_space(std::uint64_t bytes) {
  bytes_since_space_check_ += bytes;
  const auto now = clock_.steady();
  const bool due =
      now - space_checked_ >= kSpaceCheckInterval || bytes_since_space_check_ > options_.space_low_bytes / 4;
  if (!space_low_ && !due) return true;
  const auto space = files_.space(options_.directory);
  if (!space) return true;  // the write itself will tell
  space_checked_ = now;
  bytes_since_space_check_ = 0;
  set_space_low(space->free_bytes < options_.space_low_bytes + bytes);
  return !space_low_;
}

Status SegmentJournalImpl::commit(std::span<CommitItem> group) {
  std::uint64_t bytes = 0;
  for (const auto& item : group) bytes += item.encoded_bytes;
  if (!has_space(bytes)) {
    for (auto& item : group) item.result = fail(Errc::kUnavailable, std::string(kLowSpaceText));
    return {};
  }
  std::vector<std::string_view> pieces;
  std::vector<std::uint32_t> offsets;
  std::uint64_t at = writer_.records_begin();
  for (const auto& item : group) {
    pieces.insert(pieces.end(), item.encoded.begin(), item.encoded.end());
    for (const auto size : item.record_bytes) {
      offsets.push_back(static_cast<std::uint32_t>(at));
      at += size;
    }
  }
  const auto written = writer_.write(next_seq_, static_cast<std::uint32_t>(offsets.size()), pieces);
  if (!written && written.error().code == Errc::kUnavailable) {
    if (const auto undone = writer_.take_back(); !undone) return for_good(undone.error());
    set_space_low(true);
    for (auto& item : group) item.result = std::unexpected(written.error());
    return {};
  }
  if (!written) return for_good(written.error());
  if (const auto synced = writer_.sync(); !synced) return for_good(synced.error());
  publish(group, offsets);
  if (writer_.end() >= options_.segment_bytes) return roll_active();
  return {};
}

void SegmentJournalImpl::publish(std::span<CommitItem> group, std::span<const std::uint32_t> offsets) {
  for (auto& item : group) {
    item.result = next_seq_;
    next_seq_.value += item.record_count;
  }
  records_.fetch_add(offsets.size(), std::memory_order_relaxed);
  table_.grow(offsets, writer_.end(), writer_.file_bytes());
}

// The active segment is full: a new one takes its place. It gets its name only after all of the old one is durable and
// its end is clean, so that a later segment proves the earlier one whole. No space for it: the old one goes on for a
// while.
Status SegmentJournalImpl::roll_active() {
  if (const auto trimmed = writer_.trim(); !trimmed) return for_good(trimmed.error());
  table_.set_file_bytes(active_first_, writer_.file_bytes());
  const auto made = create_segment(files_, options_.directory,
                                   {.first = next_seq_, .mark = random().next(), .created = clock_.now()});
  if (!made && made.error().code == Errc::kUnavailable) return {};
  if (!made) return for_good(made.error());
  adopt_active(*made);
  auto segment = std::make_shared<Segment>();
  segment->name = made->name;
  segment->first = made->scanned.header.first;
  segment->file_bytes = made->file_bytes;
  segment->raw_file = made->file;
  segment->end = made->scanned.end;
  table_.add(std::move(segment));
  want_maintenance();
  return {};
}

void SegmentJournalImpl::adopt_active(const OpenSegment& segment) {
  writer_.take(segment);
  active_first_ = segment.scanned.header.first;
}

Status SegmentJournalImpl::roll() {
  return committer_->exclusively([this]() -> Status {
    if (next_seq_ == active_first_) return {};
    return roll_active();
  });
}

// ---- maintenance ----

void SegmentJournalImpl::want_maintenance() {
  {
    const std::lock_guard guard(wake_mutex_);
    maintenance_wanted_ = true;
  }
  wake_.notify_all();
}

void SegmentJournalImpl::maintain_until(const std::stop_token& stop) {
  os::name_this_thread("journal-seal");
  os::yield_to_others();
  while (!stop.stop_requested()) {
    const auto more = maintain();
    if (!more && options_.events.maintenance_failed) options_.events.maintenance_failed(more.error());
    if (more && *more) continue;
    std::unique_lock lock(wake_mutex_);
    if (more) {
      wake_.wait(lock, stop, [this] { return maintenance_wanted_; });
    } else {
      wake_.wait_for(lock, stop, kMaintenanceRetry, [] { return false; });
    }
    maintenance_wanted_ = false;
  }
}

Result<bool> SegmentJournalImpl::maintain() {
  const std::lock_guard guard(maintenance_mutex_);
  const auto oldest = table_.oldest_raw();
  if (!oldest) return false;
  const auto sealed = seal(*oldest);
  if (!sealed) return context("sealing " + oldest->name, sealed.error());
  return *sealed;
}

// True when done, false when the journal is being closed.
Result<bool> SegmentJournalImpl::seal(const Segment& segment) {
  MN_TRY(bytes, sealed_bytes(segment));
  if (bytes.empty()) return false;
  const std::string name = sealed_segment_name(segment.first, segment.last());
  const std::string beside = path(name) + ".new";
  if (const auto written = write_sealed(beside, bytes); !written) {
    (void)files_.remove(beside);  // a full disk is not made fuller by it
    return std::unexpected(written.error());
  }
  MN_CHECK(files_.rename(beside, path(name)));
  MN_CHECK(files_.sync_directory(options_.directory));
  auto sealed = std::make_shared<Segment>();
  sealed->name = name;
  sealed->first = segment.first;
  sealed->sealed_last = segment.last();
  sealed->file_bytes = bytes.size();
  table_.replace(std::move(sealed));
  MN_CHECK(files_.remove(path(segment.name)));
  if (options_.events.sealed) {
    options_.events.sealed(
        {.first = segment.first, .last = segment.last(), .raw_bytes = segment.end, .sealed_bytes = bytes.size()});
  }
  return true;
}

// Writes the file and reads it back: the raw segment goes only when the sealed one is known to be whole.
Status SegmentJournalImpl::write_sealed(const std::string& to, std::string_view bytes) {
  {
    MN_TRY(file, files_.open(to, OpenMode::kCreateOrOpen));
    MN_CHECK(file->truncate(0));
    MN_CHECK(file->pwrite({&bytes, 1}, 0));
    MN_CHECK(file->sync_data());
  }
  MN_TRY(file, files_.open(to, OpenMode::kRead));
  return verify_sealed(*file);
}

// The sealed form of the segment; empty when the journal is being closed.
Result<std::string> SegmentJournalImpl::sealed_bytes(const Segment& segment) {
  std::string raw(segment.end, '\0');
  MN_TRY(got, segment.raw_file->pread(raw, 0));
  if (got != raw.size()) return fail(Errc::kCorrupt, "file ends early");
  SealedBuilder builder(segment.first,
                        {.block_bytes = options_.sealed_block_bytes, .level = options_.compression_level});
  for (const auto offset : segment.offsets) {
    if (closing_.load(std::memory_order_relaxed)) return std::string();
    const auto record = std::string_view(raw).substr(offset);
    // Rot must not be sealed in under a fresh checksum.
    if (const auto decoded = decode_record(record); !decoded) {
      return context("byte " + std::to_string(offset), decoded.error());
    }
    MN_CHECK(builder.add(record.substr(0, record_bytes_at(record))));
  }
  return builder.finish();
}

Result<Seq> SegmentJournalImpl::purge(Seq through) {
  const std::unique_lock keep(keep_mutex_, std::try_to_lock);
  if (!keep) return fail(Errc::kRetry, "journal: a backup or a verification is under way");
  if (through >= table_.last()) MN_CHECK(roll());
  const std::lock_guard guard(maintenance_mutex_);
  auto segments = table_.snapshot();
  segments.pop_back();  // the active one stays
  std::erase_if(segments, [&](const Segment& segment) { return segment.last() > through; });
  if (segments.empty()) return Seq{table_.first().value - 1};
  const Seq gone = segments.back().last();
  MN_CHECK(write_purged(files_, options_.directory, gone));
  for (const auto& segment : segments) {
    table_.remove(segment.first);
    MN_CHECK(files_.remove(path(segment.name)));
  }
  MN_CHECK(files_.sync_directory(options_.directory));
  return gone;
}

// ---- reading all of it ----

// The segments as they are now. Raw ones are held open, for sealing removes them; sealed ones stay while the caller
// holds keep_mutex_.
std::vector<Segment> SegmentJournalImpl::segments_now() {
  const std::lock_guard guard(maintenance_mutex_);
  return table_.snapshot();
}

Status SegmentJournalImpl::verify_segment(const Segment& segment) {
  if (segment.raw()) return verify_raw(segment, *segment.raw_file);
  MN_TRY(file, files_.open(path(segment.name), OpenMode::kRead));
  return verify_sealed(*file);
}

VerifyReport SegmentJournalImpl::verify() {
  const std::shared_lock keep(keep_mutex_);
  VerifyReport report;
  for (const auto& segment : segments_now()) {
    const auto status = verify_segment(segment);
    if (!status) report.problems.push_back(segment.name + ": " + status.error().what);
    ++report.segments;
    report.records += segment.last().value + 1 - segment.first.value;
  }
  return report;
}

Result<BackupReport> SegmentJournalImpl::backup(Files& to, const std::string& directory) {
  const std::shared_lock keep(keep_mutex_);
  const auto segments = segments_now();
  BackupPlan plan{.from = &files_,
                  .directory = options_.directory,
                  .sources = {},
                  .first = segments.front().first,
                  .last = segments.back().last(),
                  .created = clock_.now()};
  for (const auto& segment : segments) {
    plan.sources.push_back(
        {.name = segment.name, .file = segment.raw_file, .bytes = segment.raw() ? segment.end : segment.file_bytes});
  }
  return write_backup(plan, to, directory);
}

JournalStats SegmentJournalImpl::stats() const {
  return {.first = table_.first(),
          .last = table_.last(),
          .disk_bytes = table_.disk_bytes(),
          .commits = committer_->commits(),
          .records = records_.load(std::memory_order_relaxed)};
}

void SegmentJournalImpl::close() {
  const std::lock_guard once(close_mutex_);
  if (closing_.exchange(true)) return;
  if (committer_) committer_->close();
  table_.stop_waiting();
  if (maintenance_thread_.joinable()) {
    maintenance_thread_.request_stop();
    maintenance_thread_.join();
  }
  // Lets the next start tell rot in the last group from a torn tail even after a power cut.
  if (committer_ && !committer_->failure()) {
    writer_.mark();
    (void)writer_.sync();
  }
  const std::lock_guard guard(maintenance_mutex_);
  lock_.reset();
}

}  // namespace

Result<std::unique_ptr<SegmentJournal>> open_segment_journal(Files& files, Clock& clock,
                                                             SegmentJournalOptions options) {
  auto journal = std::make_unique<SegmentJournalImpl>(files, clock, std::move(options));
  MN_CHECK(journal->open());
  return journal;
}

}  // namespace minato
