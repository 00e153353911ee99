// How the duplicate window follows the journal.
#include <algorithm>

#include "flow/receive.h"
#include "flow/receive_meta.h"
#include "format/hl7/header.h"

namespace minato {
namespace {

constexpr ReadLimits kReadOne{.records_max = 1, .bytes_max = 1};
constexpr ReadLimits kReadMany{.records_max = 4096, .bytes_max = 16 * kMiB};

// The first sequence in [low, high) whose record is not older than `since`, by halving: times rise with sequences but
// for jumps of the clock, which cost a look at some records too many or too few, never more than the window forgets
// anyway.
Result<Seq> first_since(Journal& journal, Seq low, Seq high, Time since) {
  while (low < high) {
    const Seq middle{low.value + (high.value - low.value) / 2};
    MN_TRY(entries, journal.read(middle, kReadOne));
    if (!entries.empty() && entries.front().record.time < since) {
      low = next(middle);
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

Status Receiver::recover() {
  const JournalStats stats = journal_.stats();
  if (stats.last < stats.first || stats.last.value == 0) return {};
  const Seq end = next(stats.last);
  Seq from = stats.first;
  if (stats.last.value > options_.duplicate_messages_max) {
    from = std::max(from, Seq{end.value - options_.duplicate_messages_max});
  }
  MN_TRY(begin, first_since(journal_, from, end, clock_.now() - options_.duplicate_age_max));
  for (Seq at = begin; at < end;) {
    MN_TRY(entries, journal_.read(at, kReadMany));
    if (entries.empty()) break;
    observe(entries);
    at = next(entries.back().seq);
  }
  return {};
}

void Receiver::observe(std::span<const Entry> entries) {
  for (const Entry& entry : entries) {
    const std::uint64_t seq = entry.seq.value;
    if (entry.record.kind != RecordKind::kHl7Received) continue;
    if (own_[seq % own_.size()].load(std::memory_order_relaxed) == seq) continue;
    const auto identity = identity_of(entry.record.meta);
    const auto header = hl7::peek_header(entry.record.body);
    if (!identity || !header) continue;
    const MessageDigest digest = window_.digest({.identity = *identity,
                                                 .application = header->sending_application(),
                                                 .facility = header->sending_facility(),
                                                 .control_id = header->control_id()},
                                                entry.record.body);
    const std::lock_guard lock(mutex_);
    window_.insert(digest, {.seq = entry.seq, .time = entry.record.time});
  }
}

}  // namespace minato
