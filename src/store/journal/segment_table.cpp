#include "store/journal/segment_table.h"

#include <algorithm>

namespace minato {

namespace {

std::size_t content_bytes(const Record& record) { return record.meta.size() + record.body.size(); }

// Counts what was read against the limits; at least one record always fits.
struct Budget {
  ReadLimits limits;
  std::size_t records = 0;
  std::size_t bytes = 0;

  bool open() const { return records == 0 || (records < limits.records_max && bytes < limits.bytes_max); }
  ReadLimits left() const {
    return {.records_max = std::max<std::size_t>(limits.records_max, records + 1) - records,
            .bytes_max = limits.bytes_max - std::min(limits.bytes_max, bytes)};
  }
};

}  // namespace

void SegmentTable::add(std::shared_ptr<Segment> segment) {
  const std::lock_guard guard(mutex_);
  segments_[segment->first.value] = std::move(segment);
}

void SegmentTable::grow(std::span<const std::uint32_t> offsets, std::uint64_t end, std::uint64_t file_bytes) {
  {
    const std::lock_guard guard(mutex_);
    Segment& active = *segments_.rbegin()->second;
    active.offsets.insert(active.offsets.end(), offsets.begin(), offsets.end());
    active.end = end;
    active.file_bytes = file_bytes;
  }
  grown_.notify_all();
}

void SegmentTable::replace(std::shared_ptr<Segment> sealed) {
  const std::lock_guard guard(mutex_);
  segments_[sealed->first.value] = std::move(sealed);
}

void SegmentTable::remove(Seq first) {
  {
    const std::lock_guard guard(mutex_);
    segments_.erase(first.value);
  }
  forget(first);
}

void SegmentTable::set_file_bytes(Seq first, std::uint64_t file_bytes) {
  const std::lock_guard guard(mutex_);
  segments_.at(first.value)->file_bytes = file_bytes;
}

std::shared_ptr<Segment> SegmentTable::oldest_raw() const {
  const std::lock_guard guard(mutex_);
  for (const auto& [first, segment] : segments_) {
    if (segment->raw()) return segment == segments_.rbegin()->second ? nullptr : segment;
  }
  return nullptr;
}

std::vector<Segment> SegmentTable::snapshot() const {
  const std::lock_guard guard(mutex_);
  std::vector<Segment> copies;
  copies.reserve(segments_.size());
  for (const auto& [first, segment] : segments_) copies.push_back(*segment);
  return copies;
}

std::shared_ptr<Segment> SegmentTable::find(Seq seq) const {
  auto after = segments_.upper_bound(seq.value);
  if (after == segments_.begin()) return nullptr;
  return std::prev(after)->second;
}

Seq SegmentTable::first_locked() const { return segments_.begin()->second->first; }
Seq SegmentTable::last_locked() const { return segments_.rbegin()->second->last(); }

Result<std::vector<Entry>> SegmentTable::read(Seq from, ReadLimits limits) {
  std::vector<Entry> out;
  Budget budget{
      .limits = {.records_max = limits.records_max, .bytes_max = std::min(limits.bytes_max, kJournalReadBytesMax)}};
  if (from.value == 0) from = Seq{1};
  for (Seq seq = from; budget.open();) {
    std::unique_lock lock(mutex_);
    if (seq > last_locked()) break;
    const auto segment = find(seq);
    if (!segment && out.empty()) {
      return fail(Errc::kNotFound, "journal: sequence " + std::to_string(from.value) + " was purged");
    }
    if (!segment) break;
    const std::size_t had = out.size();
    Status status;
    if (segment->raw()) {
      const auto raw_plan = plan(*segment, seq, budget.left());
      lock.unlock();
      status = read_raw(raw_plan, seq, out);
    } else {
      lock.unlock();
      status = read_sealed(*segment, seq, budget.left(), out);
    }
    if (!status) return std::unexpected(status.error());
    for (std::size_t i = had; i < out.size(); ++i) budget.bytes += content_bytes(out[i].record);
    budget.records = out.size();
    seq = next(out.back().seq);
  }
  return out;
}

SegmentTable::RawPlan SegmentTable::plan(const Segment& segment, Seq from, ReadLimits left) {
  const std::size_t begin = from.value - segment.first.value;
  const std::size_t count = std::min(left.records_max, segment.offsets.size() - begin);
  const auto& offsets = segment.offsets;
  std::size_t last = begin + 1;
  while (last < begin + count && offsets[last] - offsets[begin] < left.bytes_max) ++last;
  return {.file = segment.raw_file,
          .name = segment.name,
          .offsets = std::vector(offsets.begin() + static_cast<std::ptrdiff_t>(begin),
                                 offsets.begin() + static_cast<std::ptrdiff_t>(last)),
          .end = last < offsets.size() ? offsets[last] : segment.end};
}

Status SegmentTable::read_raw(const RawPlan& plan, Seq from, std::vector<Entry>& out) {
  const std::uint64_t begin = plan.offsets.front();
  std::string bytes(plan.end - begin, '\0');
  const auto got = plan.file->pread(bytes, begin);
  if (!got) return context(plan.name, got.error());
  bytes.resize(*got);
  for (const auto offset : plan.offsets) {
    const std::string_view rest = std::string_view(bytes).substr(std::min<std::size_t>(offset - begin, bytes.size()));
    auto record = decode_record(rest);
    if (!record) return context(plan.name + ", byte " + std::to_string(offset), record.error());
    out.push_back({.seq = from, .record = std::move(*record)});
    from = next(from);
  }
  return {};
}

Status SegmentTable::read_sealed(const Segment& segment, Seq from, ReadLimits left, std::vector<Entry>& out) {
  const auto open = open_sealed(segment);
  if (!open) return context(segment.name, open.error());
  const auto& blocks = (*open)->index.blocks;
  const auto after = std::ranges::upper_bound(blocks, from, {}, &SealedBlock::first);
  const auto number = static_cast<std::size_t>(after - blocks.begin()) - 1;
  const auto found = block(segment, **open, number);
  if (!found) return context(segment.name, found.error());
  const auto& content = **found;
  std::size_t bytes = 0;
  for (std::size_t i = from.value - content.first.value; i < content.offsets.size(); ++i) {
    auto record = decode_record(std::string_view(content.raw).substr(content.offsets[i]));
    if (!record) return context(segment.name + ", block " + std::to_string(number), record.error());
    bytes += content_bytes(*record);
    out.push_back({.seq = from, .record = std::move(*record)});
    from = next(from);
    if (--left.records_max == 0 || bytes >= left.bytes_max) break;
  }
  return {};
}

Result<std::shared_ptr<const SegmentTable::OpenSealed>> SegmentTable::open_sealed(const Segment& segment) {
  {
    const std::lock_guard guard(cache_mutex_);
    const auto found = std::ranges::find(open_, segment.first.value, [](const auto& pair) { return pair.first; });
    if (found != open_.end()) {
      open_.splice(open_.begin(), open_, found);
      return open_.front().second;
    }
  }
  auto opened = std::make_shared<OpenSealed>();
  MN_TRY(file, files_.open(directory_ + "/" + segment.name, OpenMode::kRead));
  opened->file = std::move(file);
  MN_TRY(index, read_sealed_index(*opened->file));
  if (index.first != segment.first || index.last != segment.sealed_last) {
    return fail(Errc::kCorrupt, "its trailer has other sequences than its name");
  }
  opened->index = std::move(index);
  const std::lock_guard guard(cache_mutex_);
  open_.emplace_front(segment.first.value, opened);
  if (open_.size() > kJournalOpenSegmentsMax) open_.pop_back();
  return opened;
}

Result<std::shared_ptr<const SegmentTable::Block>> SegmentTable::block(const Segment& segment, const OpenSealed& open,
                                                                       std::size_t number) {
  const BlockKey key{segment.first.value, number};
  {
    const std::lock_guard guard(cache_mutex_);
    const auto found = std::ranges::find(blocks_, key, [](const auto& pair) { return pair.first; });
    if (found != blocks_.end()) {
      blocks_.splice(blocks_.begin(), blocks_, found);
      return blocks_.front().second;
    }
  }
  const auto& entry = open.index.blocks[number];
  auto loaded = std::make_shared<Block>();
  MN_TRY(raw, read_sealed_block(*open.file, entry));
  loaded->raw = std::move(raw);
  loaded->first = entry.first;
  for (std::size_t at = 0; at < loaded->raw.size();) {
    loaded->offsets.push_back(static_cast<std::uint32_t>(at));
    const auto size = record_bytes_at(std::string_view(loaded->raw).substr(at));
    if (size == 0) return fail(Errc::kCorrupt, "block " + std::to_string(number) + ": record with impossible length");
    at += size;
  }
  if (loaded->offsets.size() != entry.records) {
    return fail(Errc::kCorrupt, "block " + std::to_string(number) + ": another number of records than its index says");
  }
  const std::lock_guard guard(cache_mutex_);
  blocks_.emplace_front(key, loaded);
  cached_bytes_ += loaded->raw.size();
  while (cached_bytes_ > kJournalBlockCacheBytes && blocks_.size() > 1) {
    cached_bytes_ -= blocks_.back().second->raw.size();
    blocks_.pop_back();
  }
  return loaded;
}

void SegmentTable::forget(Seq first) {
  const std::lock_guard guard(cache_mutex_);
  std::erase_if(open_, [&](const auto& pair) { return pair.first == first.value; });
  std::erase_if(blocks_, [&](const auto& pair) {
    if (pair.first.first != first.value) return false;
    cached_bytes_ -= pair.second->raw.size();
    return true;
  });
}

Seq SegmentTable::wait_past(Seq seen, Deadline deadline) {
  std::unique_lock lock(mutex_);
  grown_.wait_until(lock, deadline, [&] { return stop_waiting_ || last_locked() > seen; });
  return last_locked();
}

void SegmentTable::stop_waiting() {
  {
    const std::lock_guard guard(mutex_);
    stop_waiting_ = true;
  }
  grown_.notify_all();
}

Seq SegmentTable::first() const {
  const std::lock_guard guard(mutex_);
  return first_locked();
}

Seq SegmentTable::last() const {
  const std::lock_guard guard(mutex_);
  return last_locked();
}

std::uint64_t SegmentTable::disk_bytes() const {
  const std::lock_guard guard(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [first, segment] : segments_) bytes += segment->file_bytes;
  return bytes;
}

}  // namespace minato
