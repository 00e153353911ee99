#include "store/index/message_index.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "base/limits.h"
#include "store/index/layout.h"
#include "store/sql/sqlite.h"

namespace minato {

using namespace index_layout;

namespace {

constexpr const char* kTables =
    // peer, ack and warnings are numbers in message_text, or the text itself when that table is full.
    "CREATE TABLE message (seq INTEGER PRIMARY KEY, time INTEGER, feed INTEGER, status INTEGER, bytes INTEGER, peer, "
    "ack,"
    "  warnings, control_id TEXT, ids TEXT, open INTEGER, parked INTEGER, done INTEGER, discarded INTEGER,"
    "  edited_from INTEGER, duplicate_of INTEGER, feed_text TEXT);"
    "CREATE TABLE message_key (key INTEGER PRIMARY KEY);"
    "CREATE TABLE message_group (entry INTEGER PRIMARY KEY);"
    "CREATE TABLE message_count (grp INTEGER PRIMARY KEY, messages INTEGER NOT NULL);"
    "CREATE TABLE message_block (block INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);"
    "CREATE TABLE message_feed (id INTEGER PRIMARY KEY, listener TEXT, sender_application TEXT, sender_facility TEXT,"
    "  message_type TEXT, trigger TEXT);"
    "CREATE TABLE message_text (id INTEGER PRIMARY KEY, text TEXT NOT NULL);";

constexpr std::array<std::string_view, kMessageStatusCount> kStatusNames = {
    "queued", "done", "parked", "refused", "duplicate", "edited", "discarded"};

// Refused, duplicate and edited say what the message is; the others say where its work stands.
bool follows_items(MessageStatus status) {
  return status != MessageStatus::kRefused && status != MessageStatus::kDuplicate && status != MessageStatus::kEdited;
}

MessageStatus status_of(const ItemCounts& items) {
  if (items.parked > 0) return MessageStatus::kParked;
  if (items.open > 0) return MessageStatus::kQueued;
  return items.discarded > 0 ? MessageStatus::kDiscarded : MessageStatus::kDone;
}

std::int32_t added(std::int32_t count, std::int32_t change) { return std::max(0, count + change); }

struct BlockTimes {
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
};

}  // namespace

std::string_view name(MessageStatus status) { return kStatusNames[static_cast<std::size_t>(status)]; }

std::optional<MessageStatus> message_status_named(std::string_view name) {
  for (std::size_t i = 0; i < kStatusNames.size(); ++i) {
    if (kStatusNames[i] == name) return static_cast<MessageStatus>(i);
  }
  return std::nullopt;
}

struct MessageIndex::State {
  explicit State(Sqlite& writer) : db(writer) {}

  struct Text {
    std::optional<std::int64_t> id;  // else it is stored in the row
  };

  Status load();
  Result<std::int64_t> feed(const IndexedMessage& message, const std::string& packed);
  Result<Text> text(const std::string& text);
  Status insert_row(const IndexedMessage& message, std::int64_t feed, const std::string& packed_feed,
                    const std::string& ids);
  void count(std::int64_t feed, MessageStatus status, std::int64_t change) { counts[group_of(feed, status)] += change; }
  Status move(Seq seq, std::int64_t feed, MessageStatus from, MessageStatus to);

  Sqlite& db;
  bool loaded = false;
  std::unordered_map<std::string, std::int64_t> feeds;  // by pack_feed()
  std::unordered_map<std::string, std::int64_t> texts;
  std::unordered_map<std::int64_t, std::int64_t> counts;  // changes since the last flush, by group
  std::unordered_map<std::int64_t, BlockTimes> blocks;    // since the last flush
};

Status MessageIndex::State::load() {
  if (loaded) return {};
  {
    MN_TRY(rows, db.query("SELECT id, listener, sender_application, sender_facility, message_type, trigger"
                          " FROM message_feed"));
    while (true) {
      MN_TRY(more, rows.step());
      if (!more) break;
      IndexedMessage names;
      names.listener = rows.text(1);
      names.sender_application = rows.text(2);
      names.sender_facility = rows.text(3);
      names.message_type = rows.text(4);
      names.trigger = rows.text(5);
      feeds.emplace(pack_feed(names), rows.integer(0));
    }
  }
  MN_TRY(rows, db.query("SELECT id, text FROM message_text"));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) break;
    texts.emplace(rows.text(1), rows.integer(0));
  }
  loaded = true;
  return {};
}

Result<std::int64_t> MessageIndex::State::feed(const IndexedMessage& message, const std::string& packed) {
  if (const auto found = feeds.find(packed); found != feeds.end()) return found->second;
  if (feeds.size() >= kIndexFeedsMax) return kOverflowFeed;
  const auto id = static_cast<std::int64_t>(feeds.size()) + 1;
  MN_CHECK(db.run("INSERT INTO message_feed VALUES ($1, $2, $3, $4, $5, $6)", id, clean(message.listener),
                  clean(message.sender_application), clean(message.sender_facility), clean(message.message_type),
                  clean(message.trigger)));
  feeds.emplace(packed, id);
  return id;
}

Result<MessageIndex::State::Text> MessageIndex::State::text(const std::string& text) {
  if (const auto found = texts.find(text); found != texts.end()) return Text{found->second};
  if (texts.size() >= kIndexTextsMax) return Text{};
  const auto id = static_cast<std::int64_t>(texts.size()) + 1;
  MN_CHECK(db.run("INSERT INTO message_text VALUES ($1, $2)", id, text));
  texts.emplace(text, id);
  return Text{id};
}

Status MessageIndex::State::insert_row(const IndexedMessage& message, std::int64_t feed, const std::string& packed_feed,
                                       const std::string& ids) {
  MN_TRY(rows, db.prepare("INSERT OR IGNORE INTO message VALUES"
                          " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"));
  int column = 0;
  Status status;
  const auto number = [&](std::int64_t value) {
    if (status) status = db.bind(rows, ++column, value);
  };
  const auto text_or_null = [&](std::string_view value) {
    ++column;
    if (status && !value.empty()) status = db.bind(rows, column, value, Sqlite::Lifetime::kOutlivesTheCall);
  };
  const auto coded = [&](const std::string& value) -> Status {
    if (value.empty()) {
      text_or_null({});
      return {};
    }
    MN_TRY(known, text(value));
    if (known.id) {
      number(*known.id);
    } else {
      text_or_null(value);
    }
    return {};
  };
  number(static_cast<std::int64_t>(message.seq.value));
  number(to_micros(message.received));
  number(feed);
  number(static_cast<std::int64_t>(message.status));
  number(static_cast<std::int64_t>(message.bytes));
  const std::string warnings = pack_warnings(message.warnings);  // outlives the step below
  MN_CHECK(coded(message.peer));
  MN_CHECK(coded(message.ack));
  MN_CHECK(coded(warnings));
  const std::string control_id = clean(message.control_id);
  text_or_null(control_id);
  text_or_null(ids);
  for (const auto count : {message.items.open, message.items.parked, message.items.done, message.items.discarded}) {
    number(count);
  }
  for (const auto& link : {message.edited_from, message.duplicate_of}) {
    if (link) {
      number(static_cast<std::int64_t>(link->value));
    } else {
      ++column;
    }
  }
  text_or_null(feed == kOverflowFeed ? std::string_view(packed_feed) : std::string_view());
  MN_CHECK(status);
  MN_TRY(row, rows.step());
  return row ? fail(Errc::kRefused, "message index: an insertion gave a row") : Status();
}

Status MessageIndex::State::move(Seq seq, std::int64_t feed, MessageStatus from, MessageStatus to) {
  MN_CHECK(db.run("DELETE FROM message_group WHERE entry = $1", entry_of(group_of(feed, from), seq)));
  MN_CHECK(db.run("INSERT INTO message_group VALUES ($1)", entry_of(group_of(feed, to), seq)));
  count(feed, from, -1);
  count(feed, to, 1);
  return {};
}

ProjectionSchema MessageIndex::schema() { return {.name = "message-index", .version = 1, .sql = kTables}; }

MessageIndex::MessageIndex(Sqlite& writer) : state_(std::make_unique<State>(writer)) {}
MessageIndex::~MessageIndex() = default;

Status MessageIndex::add(const IndexedMessage& message) {
  auto& state = *state_;
  if (message.seq.value == 0 || message.seq.value > kSeqMax) {
    return fail(Errc::kRefused, "message index: a sequence that it cannot hold");
  }
  MN_CHECK(state.load());
  const std::string packed_feed = pack_feed(message);
  MN_TRY(feed, state.feed(message, packed_feed));
  const std::string ids = pack_ids(message);
  MN_CHECK(state.insert_row(message, feed, packed_feed, ids));
  if (state.db.changed_rows() == 0) return {};  // a replay
  for (const auto hash : hashes(ids, clean(message.control_id))) {
    MN_CHECK(state.db.run("INSERT OR IGNORE INTO message_key VALUES ($1)", key_of(hash, message.seq)));
  }
  MN_CHECK(
      state.db.run("INSERT INTO message_group VALUES ($1)", entry_of(group_of(feed, message.status), message.seq)));
  state.count(feed, message.status, 1);
  auto& block = state.blocks[block_of(message.seq)];
  block.first = std::min(block.first, to_micros(message.received));
  block.last = std::max(block.last, to_micros(message.received));
  return {};
}

Status MessageIndex::change_items(Seq seq, const ItemCounts& change) {
  auto& db = state_->db;
  ItemCounts items;
  std::int64_t feed = 0;
  MessageStatus before = MessageStatus::kQueued;
  {
    MN_TRY(rows, db.query("SELECT feed, status, open, parked, done, discarded FROM message WHERE seq = $1", seq));
    MN_TRY(found, rows.step());
    if (!found) return {};
    feed = rows.integer(0);
    before = static_cast<MessageStatus>(rows.integer(1));
    items.open = added(static_cast<std::int32_t>(rows.integer(2)), change.open);
    items.parked = added(static_cast<std::int32_t>(rows.integer(3)), change.parked);
    items.done = added(static_cast<std::int32_t>(rows.integer(4)), change.done);
    items.discarded = added(static_cast<std::int32_t>(rows.integer(5)), change.discarded);
  }
  const MessageStatus after = follows_items(before) ? status_of(items) : before;
  MN_CHECK(db.run("UPDATE message SET status = $1, open = $2, parked = $3, done = $4, discarded = $5 WHERE seq = $6",
                  after, items.open, items.parked, items.done, items.discarded, seq));
  return before == after ? Status() : state_->move(seq, feed, before, after);
}

Status MessageIndex::mark_edited(Seq seq) {
  auto& db = state_->db;
  std::int64_t feed = 0;
  MessageStatus before = MessageStatus::kQueued;
  {
    MN_TRY(rows, db.query("SELECT feed, status FROM message WHERE seq = $1", seq));
    MN_TRY(found, rows.step());
    if (!found) return {};
    feed = rows.integer(0);
    before = static_cast<MessageStatus>(rows.integer(1));
  }
  if (before == MessageStatus::kEdited) return {};
  MN_CHECK(db.run("UPDATE message SET status = $1 WHERE seq = $2", MessageStatus::kEdited, seq));
  return state_->move(seq, feed, before, MessageStatus::kEdited);
}

Result<bool> MessageIndex::purge(Seq through, std::size_t rows_max) {
  auto& db = state_->db;
  MN_CHECK(flush());
  MN_TRY(end,
         db.query_integer("SELECT seq FROM message WHERE seq <= $1 ORDER BY seq LIMIT 1 OFFSET $2", through, rows_max));
  const Seq last = end ? Seq{static_cast<std::uint64_t>(*end) - 1} : through;
  {
    MN_TRY(rows, db.query("SELECT feed, status, count(*) FROM message WHERE seq <= $1 GROUP BY 1, 2", last));
    while (true) {
      MN_TRY(more, rows.step());
      if (!more) break;
      const auto status = static_cast<MessageStatus>(rows.integer(1));
      const auto group = group_of(rows.integer(0), status);
      MN_CHECK(db.run("DELETE FROM message_group WHERE entry BETWEEN $1 AND $2", entry_of(group, Seq{}),
                      entry_of(group, last)));
      state_->count(rows.integer(0), status, -rows.integer(2));
    }
  }
  const std::int64_t epoch_begin = key_of(0, Seq{epoch_of(last) << kLowBits});
  const std::int64_t epoch_end = key_of(0, Seq{(epoch_of(last) + 1) << kLowBits}) - 1;
  MN_CHECK(db.run("DELETE FROM message_key WHERE key < $1", epoch_begin));
  MN_CHECK(db.run("DELETE FROM message_key WHERE key BETWEEN $1 AND $2 AND (key & 65535) <= $3", epoch_begin, epoch_end,
                  low_of(last)));
  MN_CHECK(db.run("DELETE FROM message_block WHERE block < $1", block_of(next(last))));
  MN_CHECK(db.run("DELETE FROM message WHERE seq <= $1", last));
  return !end.has_value();
}

Status MessageIndex::flush() {
  auto& db = state_->db;
  for (const auto& [group, change] : state_->counts) {
    if (change == 0) continue;
    MN_CHECK(
        db.run("INSERT INTO message_count VALUES ($1, $2)"
               " ON CONFLICT (grp) DO UPDATE SET messages = messages + excluded.messages",
               group, change));
    if (change < 0) MN_CHECK(db.run("DELETE FROM message_count WHERE grp = $1 AND messages <= 0", group));
  }
  for (const auto& [block, times] : state_->blocks) {
    MN_CHECK(
        db.run("INSERT INTO message_block VALUES ($1, $2, $3) ON CONFLICT (block)"
               " DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)",
               block, times.first, times.last));
  }
  state_->counts.clear();
  state_->blocks.clear();
  return {};
}

void MessageIndex::forget() {
  state_->loaded = false;
  state_->feeds.clear();
  state_->texts.clear();
  state_->counts.clear();
  state_->blocks.clear();
}

}  // namespace minato
