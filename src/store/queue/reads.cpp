#include "store/queue/reads.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "store/queue/apply.h"
#include "store/queue/lease.h"

namespace minato {
namespace {

// A lane's item is leased, or was by a lease that ran out and is not taken over.
constexpr const char* kIsLeased = "i.item_id IN (SELECT leased FROM queue_lanes WHERE owner IS NOT NULL)";

// Conditions with their values, numbered as they come.
class Where {
 public:
  // '?' in `condition` becomes the value's placeholder.
  void add(std::string condition, SqlValue value) {
    values_.push_back(std::move(value));
    const std::string placeholder = "$" + std::to_string(values_.size());
    for (auto at = condition.find('?'); at != std::string::npos; at = condition.find('?')) {
      condition.replace(at, 1, placeholder);
    }
    add(condition);
  }
  void add(const std::string& condition) { text_ += (text_.empty() ? " WHERE (" : " AND (") + condition + ")"; }
  void add_list(const QueueReader& reader, const std::string& column, std::vector<std::int64_t> list) {
    values_.emplace_back(std::move(list));
    add(column + " " + reader.in_list(values_.size()));
  }
  std::string placeholder(std::int64_t value) {
    values_.emplace_back(value);
    return "$" + std::to_string(values_.size());
  }
  const std::string& text() const { return text_; }
  const std::vector<SqlValue>& values() const { return values_; }

 private:
  std::string text_;
  std::vector<SqlValue> values_;
};

// Items after `id`, which need not be one that can be, are those with a greater key than this.
ItemKey last_key_through(ItemId id) {
  if (has_key(id)) return key_of(id);
  id.ordinal = 0xffff;
  return has_key(id) ? key_of(id) : std::numeric_limits<ItemKey>::max();
}

// A filter with its names looked up.
struct Question {
  const ItemFilter& filter;
  std::vector<StepKey> steps;                     // wanted ones; all when the filter names none
  std::vector<StoredState> states;                // wanted ones
  std::optional<std::vector<std::int64_t>> lane;  // its key; an empty list: there is no such lane

  bool nothing() const { return steps.empty() || states.empty() || (lane && lane->empty()); }
  // Few items by an index of their own; otherwise the index by state and step is walked.
  bool selective() const { return !filter.ids.empty() || lane || filter.origin || filter.state == ItemState::kLeased; }
};

std::vector<StoredState> wanted_states(const ItemFilter& filter) {
  const bool by_parking = filter.parked_from || filter.parked_to;
  if (filter.state && *filter.state != ItemState::kParked) {
    return by_parking ? std::vector<StoredState>() : std::vector{StoredState::kWaiting};
  }
  if (filter.state || by_parking) return {StoredState::kParked, StoredState::kParkedBarrier};
  return {StoredState::kWaiting, StoredState::kParked, StoredState::kParkedBarrier};
}

Result<Question> question(QueueReader& reader, const ItemFilter& filter) {
  Question out{filter, {}, wanted_states(filter), {}};
  MN_TRY(steps, reader.steps());
  out.steps = requested_steps(steps, filter.step ? std::vector{*filter.step} : std::vector<std::string>());
  if (filter.lane) {
    MN_TRY(key, reader.integers("SELECT lane_id FROM queue_lanes WHERE name = $1",
                                {SqlValue(stored_lane_name(*filter.lane))}));
    out.lane.emplace();
    if (!key.empty()) out.lane->push_back(*key[0]);
  }
  return out;
}

// What all queries for one question have in common.
void add_filter(Where& where, const QueueReader& reader, const Question& question) {
  const ItemFilter& filter = question.filter;
  if (filter.origin) where.add("i.origin = ?", static_cast<std::int64_t>(filter.origin->value));
  if (question.lane) where.add("i.lane_id = ? OR i.other_lane_id = ?", question.lane->front());
  if (filter.parked_from) where.add("i.parked_at >= ?", to_micros(*filter.parked_from));
  if (filter.parked_to) where.add("i.parked_at < ?", to_micros(*filter.parked_to));
  if (filter.ids.empty()) return;
  std::vector<std::int64_t> keys;
  for (const ItemId id : filter.ids) {
    if (has_key(id)) keys.push_back(key_of(id));
  }
  where.add_list(reader, "i.item_id", std::move(keys));
}

void add_states_and_steps(Where& where, const QueueReader& reader, const Question& question) {
  std::vector<std::int64_t> states;
  for (const StoredState state : question.states) states.push_back(static_cast<std::int64_t>(state));
  where.add_list(reader, "i.state", std::move(states));
  if (question.filter.step) where.add_list(reader, "i.step_id", question.steps);
}

// Calls `each` with one Where that covers all that is asked for, or with several that do so together, each a range of
// an index in order of item_id.
template <typename Each>
Status each_range(const QueueReader& reader, const Question& question, Each each) {
  if (question.nothing()) return {};
  const bool everything = !question.filter.state && !question.filter.step && question.states.size() == 3;
  if (question.selective() || everything) {
    Where where;
    add_filter(where, reader, question);
    if (!everything) add_states_and_steps(where, reader, question);
    return each(where);
  }
  for (const StoredState state : question.states) {
    for (const StepKey step : question.steps) {
      Where where;
      where.add("i.state = ?", static_cast<std::int64_t>(state));
      where.add("i.step_id = ?", step);
      add_filter(where, reader, question);
      MN_CHECK(each(where));
    }
  }
  return {};
}

Result<std::uint64_t> count(QueueReader& reader, const Question& question, const char* condition) {
  std::uint64_t total = 0;
  MN_CHECK(each_range(reader, question, [&](Where& where) -> Status {
    if (condition != nullptr) where.add(condition);
    MN_TRY(row, reader.integers("SELECT count(*) FROM queue_items i" + where.text(), where.values()));
    total += static_cast<std::uint64_t>(row.at(0).value_or(0));
    return {};
  }));
  return total;
}

Status add_attempts(QueueReader& reader, std::vector<ItemRead>& items) {
  std::vector<ItemKey> keys;
  for (const auto& item : items) {
    if (item.has_attempts) keys.push_back(key_of(item.view.item.id));
  }
  if (keys.empty()) return {};
  MN_TRY(attempts, reader.attempts(keys));
  for (auto& item : items) item.view.attempts = std::move(attempts[key_of(item.view.item.id)]);
  return {};
}

}  // namespace

Result<std::vector<ItemView>> read_items(QueueReader& reader, const ItemFilter& filter, std::optional<ItemId> after,
                                         std::size_t limit) {
  limit = std::min(limit, kQueuePageMax);
  MN_TRY(asked, question(reader, filter));
  std::vector<ItemRead> found;
  MN_CHECK(each_range(reader, asked, [&](Where& where) -> Status {
    if (filter.state == ItemState::kLeased) where.add(kIsLeased);
    if (filter.state == ItemState::kWaiting) where.add(std::string("NOT ") + kIsLeased);
    if (after) where.add("i.item_id > ?", last_key_through(*after));
    const std::string page = " ORDER BY i.item_id LIMIT " + where.placeholder(static_cast<std::int64_t>(limit));
    MN_TRY(items, reader.items("SELECT " + std::string(kItemColumns) +
                                   " FROM queue_items i LEFT JOIN queue_steps s ON s.step_id = i.step_id "
                                   "LEFT JOIN queue_lanes l ON l.lane_id = i.lane_id "
                                   "LEFT JOIN queue_lanes o ON o.lane_id = i.other_lane_id" +
                                   where.text() + page,
                               where.values()));
    std::ranges::move(items, std::back_inserter(found));
    return {};
  }));
  std::ranges::sort(found, {}, [](const ItemRead& item) { return item.view.item.id; });
  if (found.size() > limit) found.resize(limit);
  MN_CHECK(add_attempts(reader, found));
  std::vector<ItemView> views;
  for (auto& item : found) views.push_back(std::move(item.view));
  return views;
}

Result<std::uint64_t> count_items(QueueReader& reader, const ItemFilter& filter) {
  MN_TRY(asked, question(reader, filter));
  if (filter.state != ItemState::kWaiting) {
    return count(reader, asked, filter.state == ItemState::kLeased ? kIsLeased : nullptr);
  }
  // The leased ones are few and found fast; to look at each waiting item whether it is leased is not.
  MN_TRY(all, count(reader, asked, nullptr));
  ItemFilter leased_filter = filter;
  leased_filter.state = ItemState::kLeased;
  const Question leased{leased_filter, asked.steps, asked.states, asked.lane};
  MN_TRY(taken, count(reader, leased, kIsLeased));
  return all - std::min(all, taken);
}

Result<QueueStats> read_stats(QueueReader& reader) {
  MN_TRY(row, reader.integers("SELECT waiting, parked, lanes, "
                              "(SELECT count(DISTINCT leased) FROM queue_lanes WHERE owner IS NOT NULL), "
                              "(SELECT since FROM queue_items WHERE item_id = (SELECT min(first) FROM ("
                              "SELECT (SELECT i.item_id FROM queue_items i WHERE i.state = 0 AND i.step_id = s.step_id "
                              "ORDER BY i.item_id LIMIT 1) AS first FROM queue_steps s) firsts)) FROM queue_meta",
                              {}));
  if (row.size() != 5) return fail(Errc::kCorrupt, "queue: no row in queue_meta");
  const auto number = [&](std::size_t column) { return static_cast<std::uint64_t>(row[column].value_or(0)); };
  QueueStats stats;
  stats.leased = std::min(number(3), number(0));
  stats.waiting = number(0) - stats.leased;
  stats.parked = number(1);
  stats.lanes = number(2);
  if (row[4]) stats.oldest_waiting = from_micros(*row[4]);
  return stats;
}

Result<Seq> read_position(QueueReader& reader) {
  MN_TRY(row, reader.integers("SELECT position FROM queue_meta", {}));
  if (row.empty()) return fail(Errc::kCorrupt, "queue: no row in queue_meta");
  return Seq{static_cast<std::uint64_t>(row[0].value_or(0))};
}

Result<std::optional<Time>> read_next_runnable(QueueReader& reader, Time now, const std::vector<std::string>& steps) {
  MN_TRY(all, reader.steps());
  MN_TRY(row, reader.integers("SELECT min(next) FROM (SELECT (SELECT min(l.due_at) FROM queue_lanes l "
                              "WHERE l.step_id = s.step_id AND l.due_at > $1) AS next FROM queue_steps s "
                              "WHERE s.step_id " +
                                  reader.in_list(2) + ") nexts",
                              {SqlValue(to_micros(now)), SqlValue(requested_steps(all, steps))}));
  if (row.empty() || !row[0]) return std::optional<Time>();
  return std::optional<Time>(from_micros(*row[0]));
}

}  // namespace minato
