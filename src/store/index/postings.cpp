#include "store/index/postings.h"

#include <algorithm>

#include "store/index/layout.h"
#include "store/sql/sqlite.h"

namespace minato::index_layout {

Result<Seq> AllMessages::at_or_below(Seq at_most) {
  ++steps_.taken;
  MN_TRY(found, db_.query_integer("SELECT seq FROM message WHERE seq <= $1 ORDER BY seq DESC LIMIT 1", at_most));
  return Seq{static_cast<std::uint64_t>(found.value_or(0))};
}

Result<Seq> KeyPostings::at_or_below(Seq at_most) {
  if (!oldest_) {
    MN_TRY(first, db_.query_integer("SELECT min(key) FROM message_key"));
    oldest_ = first ? seq_of_key(*first) : Seq{~std::uint64_t{0}};
  }
  for (std::uint64_t epoch = epoch_of(at_most) + 1; epoch-- > epoch_of(*oldest_);) {
    const Seq epoch_begin{epoch << kLowBits};
    const Seq top = std::min(at_most, Seq{epoch_begin.value | ((1u << kLowBits) - 1)});
    ++steps_.taken;
    MN_TRY(key, db_.query_integer("SELECT key FROM message_key WHERE key BETWEEN $1 AND $2 ORDER BY key DESC LIMIT 1",
                                  key_of(hash_, epoch_begin), key_of(hash_, top)));
    if (key) return seq_of_key(*key);
  }
  return Seq{};
}

Status GroupPostings::push(std::int64_t group, Seq at_most) {
  ++steps_.taken;
  MN_TRY(entry, db_.query_integer("SELECT entry FROM message_group WHERE entry BETWEEN $1 AND $2"
                                  " ORDER BY entry DESC LIMIT 1",
                                  entry_of(group, Seq{}), entry_of(group, at_most)));
  if (entry) newest_.emplace(seq_of_entry(*entry), group);
  return {};
}

Result<Seq> GroupPostings::at_or_below(Seq at_most) {
  if (!started_) {
    for (const auto group : groups_) MN_CHECK(push(group, at_most));
    started_ = true;
  }
  while (!newest_.empty() && newest_.top().first > at_most) {
    const auto group = newest_.top().second;
    newest_.pop();
    MN_CHECK(push(group, at_most));
  }
  return newest_.empty() ? Seq{} : newest_.top().first;
}

Result<Seq> RangePostings::at_or_below(Seq at_most) {
  while (at_ < ranges_.size() && at_most < ranges_[at_].first) ++at_;
  return at_ == ranges_.size() ? Seq{} : std::min(at_most, ranges_[at_].second);
}

Result<Common> common_at_or_below(std::vector<Postings*>& lists, Seq at_most, const Steps& steps,
                                  std::size_t steps_max) {
  Seq candidate = at_most;
  std::size_t agreed = 0;
  for (std::size_t i = 0; agreed < lists.size(); i = (i + 1) % lists.size()) {
    if (candidate.value == 0) return Common{};
    if (steps.taken >= steps_max && candidate < at_most) return Common{candidate, true};
    MN_TRY(found, lists[i]->at_or_below(candidate));
    agreed = found == candidate ? agreed + 1 : 1;
    candidate = found;
    if (candidate.value == 0) return Common{};
  }
  return Common{candidate, false};
}

}  // namespace minato::index_layout
