#include <algorithm>
#include <limits>
#include <memory>
#include <unordered_map>

#include "base/limits.h"
#include "store/index/layout.h"
#include "store/index/message_index.h"
#include "store/index/postings.h"
#include "store/sql/sqlite.h"

namespace minato {

using namespace index_layout;

namespace {

// A value with more messages than this is no longer walked alone: its list is intersected with those of rare groups.
constexpr std::int64_t kFrequentKey = 2000;
constexpr std::uint64_t kEpochsProbed = 64;
// Groups that together hold more than this are dense enough to be checked row by row beside a key.
constexpr std::uint64_t kRareGroupMessages = 20'000;

// One state of the database throughout, inside whatever transaction may be running.
class Snapshot {
 public:
  static Result<Snapshot> take(Sqlite& db) {
    MN_CHECK(db.run("SAVEPOINT search"));
    return Snapshot(db);
  }
  Snapshot(Snapshot&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot() {
    if (db_ != nullptr) (void)db_->run("RELEASE search");
  }

 private:
  explicit Snapshot(Sqlite& db) : db_(&db) {}
  Sqlite* db_;
};

struct KeyCondition {
  KeyKind kind;
  std::string value;
};

std::vector<KeyCondition> key_conditions(const MessageFilter& filter) {
  std::vector<KeyCondition> keys;
  const auto add = [&keys](KeyKind kind, const std::optional<std::string>& value) {
    if (value) keys.push_back({kind, clean(*value)});
  };
  add(KeyKind::kControlId, filter.control_id);
  add(KeyKind::kEncounter, filter.encounter_id);
  add(KeyKind::kOrder, filter.order_id);
  add(KeyKind::kPatient, filter.patient_id);
  return keys;
}

bool names_feed(const MessageFilter& filter) {
  return filter.message_type || filter.trigger || filter.sender_application || filter.sender_facility ||
         filter.listener;
}

bool agrees(const std::optional<std::string>& wanted, std::string_view value) {
  return !wanted || clean(*wanted) == value;
}

bool feed_agrees(const MessageFilter& filter, const IndexedMessage& names) {
  return agrees(filter.listener, names.listener) && agrees(filter.sender_application, names.sender_application) &&
         agrees(filter.sender_facility, names.sender_facility) && agrees(filter.message_type, names.message_type) &&
         agrees(filter.trigger, names.trigger);
}

bool status_agrees(const MessageFilter& filter, MessageStatus status) {
  return filter.statuses.empty() || std::ranges::find(filter.statuses, status) != filter.statuses.end();
}

Result<IndexedMessage> feed_names(Sqlite& db, std::int64_t id) {
  MN_TRY(rows, db.query("SELECT listener, sender_application, sender_facility, message_type, trigger FROM message_feed"
                        " WHERE id = $1",
                        id));
  MN_TRY(found, rows.step());
  IndexedMessage names;
  if (!found) return names;
  names.listener = rows.text(0);
  names.sender_application = rows.text(1);
  names.sender_facility = rows.text(2);
  names.message_type = rows.text(3);
  names.trigger = rows.text(4);
  return names;
}

// A filter made ready for one database state: which groups may hold matches, and what a row must satisfy.
class Plan {
 public:
  Plan(Sqlite& db, const MessageFilter& filter) : db_(db), filter_(filter), keys_(key_conditions(filter)) {}

  Status prepare();
  std::vector<Postings*>& lists() { return pointers_; }
  // nullopt: the row does not match after all (a shared hash, a time just outside, a feed of the overflow).
  Result<std::optional<IndexedMessage>> fetch(Seq seq);
  Result<bool> matches(Seq seq);

  Steps steps;
  // Set when groups alone decide: how many rows match.
  std::optional<std::uint64_t> exact_count;

 private:
  Status read_groups();
  Status read_ranges(std::vector<std::pair<Seq, Seq>>& ranges);
  Result<bool> frequent(const KeyCondition& key);
  Result<bool> row_matches(const SqliteRows& row);
  Result<const IndexedMessage*> names_of(std::int64_t feed);
  void add(std::unique_ptr<Postings> list) {
    pointers_.push_back(list.get());
    lists_.push_back(std::move(list));
  }

  Sqlite& db_;
  const MessageFilter& filter_;
  std::vector<KeyCondition> keys_;
  std::vector<std::int64_t> groups_;
  std::uint64_t messages_in_groups_ = 0;
  bool overflow_in_groups_ = false;
  std::unordered_map<std::int64_t, IndexedMessage> names_;
  std::vector<std::unique_ptr<Postings>> lists_;
  std::vector<Postings*> pointers_;
};

Status Plan::prepare() {
  const bool by_group = names_feed(filter_) || !filter_.statuses.empty();
  if (by_group || keys_.empty()) MN_CHECK(read_groups());
  bool all_frequent = !keys_.empty();
  for (const auto& key : keys_) {
    add(std::make_unique<KeyPostings>(db_, steps, hash_of(key.kind, key.value)));
    if (all_frequent) {
      MN_TRY(is_frequent, frequent(key));
      all_frequent = is_frequent;
    }
  }
  const bool rare_groups = groups_.empty() || (all_frequent && messages_in_groups_ <= kRareGroupMessages);
  if (by_group && (keys_.empty() || rare_groups)) add(std::make_unique<GroupPostings>(db_, steps, groups_));
  if (filter_.from || filter_.to) {
    std::vector<std::pair<Seq, Seq>> ranges;
    MN_CHECK(read_ranges(ranges));
    add(std::make_unique<RangePostings>(std::move(ranges)));
  }
  if (keys_.empty() && !by_group) add(std::make_unique<AllMessages>(db_, steps));
  const bool only_groups = keys_.empty() && !filter_.from && !filter_.to;
  if (only_groups && !(overflow_in_groups_ && names_feed(filter_))) exact_count = messages_in_groups_;
  return {};
}

Status Plan::read_groups() {
  MN_TRY(rows, db_.query("SELECT grp, messages FROM message_count WHERE messages > 0"));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return {};
    const std::int64_t feed = rows.integer(0) / 8;
    if (!status_agrees(filter_, static_cast<MessageStatus>(rows.integer(0) % 8))) continue;
    if (feed != kOverflowFeed && names_feed(filter_)) {
      MN_TRY(names, names_of(feed));
      if (!feed_agrees(filter_, *names)) continue;
    }
    overflow_in_groups_ = overflow_in_groups_ || feed == kOverflowFeed;
    groups_.push_back(rows.integer(0));
    messages_in_groups_ += rows.natural(1);
  }
}

// The blocks that may hold instants in [from, to), neighbours joined.
Status Plan::read_ranges(std::vector<std::pair<Seq, Seq>>& ranges) {
  constexpr auto kNoEnd = std::numeric_limits<std::int64_t>::max();
  MN_TRY(rows,
         db_.query("SELECT block FROM message_block WHERE last >= $1 AND first < $2 ORDER BY block DESC",
                   filter_.from ? to_micros(*filter_.from) : -kNoEnd, filter_.to ? to_micros(*filter_.to) : kNoEnd));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return {};
    const Seq first{rows.natural(0) << kBlockBits};
    const Seq last{first.value | ((1u << kBlockBits) - 1)};
    if (!ranges.empty() && ranges.back().first == next(last)) {
      ranges.back().first = first;
    } else {
      ranges.emplace_back(first, last);
    }
  }
}

Result<bool> Plan::frequent(const KeyCondition& key) {
  const std::uint32_t hash = hash_of(key.kind, key.value);
  MN_TRY(newest, db_.query_integer("SELECT max(seq) FROM message"));
  const std::uint64_t last = epoch_of(Seq{static_cast<std::uint64_t>(newest.value_or(0))});
  std::int64_t found = 0;
  for (std::uint64_t back = 0; back < kEpochsProbed && back <= last && found < kFrequentKey; ++back) {
    const Seq begin{(last - back) << kLowBits};
    ++steps.taken;
    MN_TRY(count, db_.query_integer(
                      "SELECT count(*) FROM (SELECT 1 FROM message_key WHERE key BETWEEN $1 AND $2 LIMIT $3)",
                      key_of(hash, begin), key_of(hash, Seq{begin.value | ((1u << kLowBits) - 1)}), kFrequentKey));
    found += count.value_or(0);
  }
  return found >= kFrequentKey;
}

// What a row is checked by, and what is read of one that matches. peer, ack and warnings are numbers of texts, or
// texts.
constexpr std::string_view kCheck = "SELECT time, feed, status, control_id, ids, feed_text FROM message WHERE seq = $1";
#define MN_TEXT_OF(column)                                                                                         \
  "CASE typeof(" column ") WHEN 'integer' THEN (SELECT text FROM message_text WHERE id = " column ") ELSE " column \
  " END"
constexpr std::string_view kRow =
    "SELECT time, feed, status, control_id, ids, feed_text, bytes, open, parked, done, discarded, edited_from,"
    " duplicate_of, " MN_TEXT_OF("peer") ", " MN_TEXT_OF("ack") ", " MN_TEXT_OF(
        "warnings") " FROM message WHERE seq = $1";
#undef MN_TEXT_OF

Result<bool> Plan::row_matches(const SqliteRows& row) {
  if (!status_agrees(filter_, static_cast<MessageStatus>(row.integer(2)))) return false;
  if (filter_.from && row.time(0) < *filter_.from) return false;
  if (filter_.to && row.time(0) >= *filter_.to) return false;
  for (const auto& key : keys_) {
    const bool there =
        key.kind == KeyKind::kControlId ? row.text(3) == key.value : has_id(row.text(4), key.kind, key.value);
    if (!there) return false;
  }
  if (!names_feed(filter_)) return true;
  if (row.integer(1) == kOverflowFeed) {
    IndexedMessage names;
    unpack_feed(row.text(5), names);
    return feed_agrees(filter_, names);
  }
  MN_TRY(names, names_of(row.integer(1)));
  return feed_agrees(filter_, *names);
}

Result<const IndexedMessage*> Plan::names_of(std::int64_t feed) {
  auto known = names_.find(feed);
  if (known == names_.end()) {
    MN_TRY(names, feed_names(db_, feed));
    known = names_.emplace(feed, std::move(names)).first;
  }
  return &known->second;
}

Result<std::optional<IndexedMessage>> Plan::fetch(Seq seq) {
  MN_TRY(matching, matches(seq));
  if (!matching) return std::optional<IndexedMessage>();
  MN_TRY(row, db_.query(kRow, seq));
  MN_TRY(found, row.step());
  if (!found) return std::optional<IndexedMessage>();
  IndexedMessage message;
  if (row.integer(1) == kOverflowFeed) {
    unpack_feed(row.text(5), message);
  } else {
    MN_TRY(names, names_of(row.integer(1)));
    message = *names;
  }
  message.seq = seq;
  message.received = row.time(0);
  message.status = static_cast<MessageStatus>(row.integer(2));
  message.control_id = row.text(3);
  unpack_ids(row.text(4), message);
  message.bytes = row.natural(6);
  message.items = {static_cast<std::int32_t>(row.integer(7)), static_cast<std::int32_t>(row.integer(8)),
                   static_cast<std::int32_t>(row.integer(9)), static_cast<std::int32_t>(row.integer(10))};
  if (!row.is_null(11)) message.edited_from = row.seq(11);
  if (!row.is_null(12)) message.duplicate_of = row.seq(12);
  message.peer = row.text(13);
  message.ack = row.text(14);
  unpack_warnings(row.text(15), message.warnings);
  return std::optional<IndexedMessage>(std::move(message));
}

Result<bool> Plan::matches(Seq seq) {
  ++steps.taken;
  MN_TRY(row, db_.query(kCheck, seq));
  MN_TRY(found, row.step());
  if (!found) return false;
  return row_matches(row);
}

}  // namespace

Result<MessagePage> MessageSearch::search(const MessageFilter& filter, std::optional<Seq> before, std::size_t limit) {
  MessagePage page;
  limit = std::min(limit, kIndexPageMax);
  if (limit == 0 || before == Seq{} || before == Seq{1}) return page;
  MN_TRY(snapshot, Snapshot::take(db_));
  Plan plan(db_, filter);
  MN_CHECK(plan.prepare());
  MN_TRY(newest, db_.query_integer("SELECT max(seq) FROM message"));
  Seq at_most{static_cast<std::uint64_t>(newest.value_or(0))};
  if (before) at_most = std::min(at_most, Seq{before->value - 1});
  while (at_most.value > 0) {
    MN_TRY(common, common_at_or_below(plan.lists(), at_most, plan.steps, kIndexSearchStepsMax));
    if (common.seq.value == 0) return page;
    // Everything above common.seq was looked at; itself it was not, when the search gave up or the page is full.
    if (common.exhausted || page.rows.size() == limit) {
      page.next = next(common.seq);
      return page;
    }
    MN_TRY(message, plan.fetch(common.seq));
    if (message) page.rows.push_back(std::move(*message));
    at_most = Seq{common.seq.value - 1};
    if (plan.steps.taken >= kIndexSearchStepsMax && at_most.value > 0) {
      page.next = common.seq;
      return page;
    }
  }
  return page;
}

Result<IndexedMessage> MessageSearch::get(Seq seq) {
  MN_TRY(snapshot, Snapshot::take(db_));
  const MessageFilter everything;
  Plan plan(db_, everything);
  MN_TRY(message, plan.fetch(seq));
  if (!message) return fail(Errc::kNotFound, "no message with this sequence");
  return std::move(*message);
}

Result<std::uint64_t> MessageSearch::count(const MessageFilter& filter, std::uint64_t at_most) {
  MN_TRY(snapshot, Snapshot::take(db_));
  Plan plan(db_, filter);
  MN_CHECK(plan.prepare());
  if (plan.exact_count) return *plan.exact_count;
  MN_TRY(newest, db_.query_integer("SELECT max(seq) FROM message"));
  std::uint64_t count = 0;
  Seq from{static_cast<std::uint64_t>(newest.value_or(0))};
  while (from.value > 0 && count < at_most) {
    MN_TRY(common, common_at_or_below(plan.lists(), from, plan.steps, std::numeric_limits<std::size_t>::max()));
    if (common.seq.value == 0) break;
    MN_TRY(matching, plan.matches(common.seq));
    if (matching) ++count;
    from = Seq{common.seq.value - 1};
  }
  return count;
}

Result<std::vector<MessageCount>> MessageSearch::counts() {
  MN_TRY(snapshot, Snapshot::take(db_));
  std::vector<MessageCount> counts;
  MN_TRY(rows, db_.query("SELECT grp, messages FROM message_count WHERE messages > 0 ORDER BY grp"));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return counts;
    MN_TRY(names, feed_names(db_, rows.integer(0) / 8));
    MessageCount count;
    const bool overflow = rows.integer(0) / 8 == kOverflowFeed;
    count.listener = overflow ? "*" : names.listener;
    count.sender_application = overflow ? "*" : names.sender_application;
    count.sender_facility = overflow ? "*" : names.sender_facility;
    count.message_type = overflow ? "*" : names.message_type;
    count.trigger = overflow ? "*" : names.trigger;
    count.status = static_cast<MessageStatus>(rows.integer(0) % 8);
    count.messages = rows.natural(1);
    counts.push_back(std::move(count));
  }
}

}  // namespace minato
