// The queue's rules for changes, on any QueueTables. See queue.h for what they are and docs/formats/queue.md for what
// is stored.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "store/queue/tables.h"

namespace minato {

// kRefused, kTooLarge: a change that no database is asked to take.
Status check_changes(std::span<const QueueChange> changes);
// The name under which a lane is stored: itself, or its front and a digest when it is long.
std::string stored_lane_name(std::string_view name);

// Applies the changes and moves the position, in the transaction of `tables`, which is not committed yet. `now` stands
// for an `at` that was left out.
Status apply_changes(QueueTables& tables, std::span<const QueueChange> changes, Seq from, Seq to, Time now);

}  // namespace minato
