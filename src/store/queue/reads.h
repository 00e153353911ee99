// The queue's questions, on any QueueReader.
#pragma once

#include "store/queue/tables.h"

namespace minato {

// item_id, origin, step, lane, other lane or NULL, args, not_before, state, receives, attempts, parked_at,
// parked_reason, leased, after_parked
inline constexpr const char* kItemColumns =
    "i.item_id, i.origin, s.name, l.name, o.name, i.args, i.not_before, i.state, i.receives, i.attempts, i.parked_at, "
    "i.parked_reason, coalesce(l.leased = i.item_id, false) OR coalesce(o.leased = i.item_id, false), "
    "coalesce(l.first_parked < i.item_id, false) OR coalesce(o.first_parked < i.item_id, false)";

Result<std::vector<ItemView>> read_items(QueueReader& reader, const ItemFilter& filter, std::optional<ItemId> after,
                                         std::size_t limit);
Result<std::uint64_t> count_items(QueueReader& reader, const ItemFilter& filter);
Result<QueueStats> read_stats(QueueReader& reader);
Result<Seq> read_position(QueueReader& reader);
Result<std::optional<Time>> read_next_runnable(QueueReader& reader, Time now, const std::vector<std::string>& steps);

}  // namespace minato
