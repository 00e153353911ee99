#include "store/index/feed_activity.h"

#include <algorithm>
#include <functional>
#include <map>

#include "base/limits.h"
#include "store/index/layout.h"
#include "store/sql/sqlite.h"

namespace minato {

namespace {

constexpr const char* kTables =
    "CREATE TABLE feed (id INTEGER PRIMARY KEY, listener TEXT, sender_application TEXT, sender_facility TEXT,"
    "  first_seen INTEGER, last_seen INTEGER, last_seq INTEGER, accepted INTEGER, refused INTEGER, duplicates INTEGER,"
    "  bytes INTEGER);"
    "CREATE TABLE feed_bucket (feed INTEGER, bucket INTEGER, accepted INTEGER, refused INTEGER, duplicates INTEGER,"
    "  bytes INTEGER, PRIMARY KEY (feed, bucket)) WITHOUT ROWID;";

constexpr int kWeeksLearnt = 4;
constexpr Duration kWeek = std::chrono::hours(24 * 7);
// A window shorter than this says little about the rate.
constexpr Duration kWindowMin = std::chrono::hours(1);

std::int64_t bucket_of(Time time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch() / kFeedBucket;
}
Time begin_of(std::int64_t bucket) { return Time(kFeedBucket * bucket); }

struct Sums {
  std::uint64_t accepted = 0, refused = 0, duplicates = 0, bytes = 0;
  void add(FeedEvent event, std::uint64_t size) {
    bytes += size;
    if (event == FeedEvent::kAccepted) ++accepted;
    if (event == FeedEvent::kRefused) ++refused;
    if (event == FeedEvent::kDuplicate) ++duplicates;
  }
};

struct Gathered {
  Sums sums;
  std::map<std::int64_t, Sums> buckets;
  Time first, last;
  Seq last_seq;
};

// The weeks that can be learnt from: those that began after the feed was first seen, at most kWeeksLearnt.
int weeks_known(Time first_seen, Time window_begin) {
  int weeks = 0;
  while (weeks < kWeeksLearnt && window_begin - (weeks + 1) * kWeek >= first_seen) ++weeks;
  return weeks;
}

Result<double> messages_between(Sqlite& db, std::int64_t feed, Time from, Time to) {
  MN_TRY(sum, db.query_integer("SELECT sum(accepted + refused + duplicates) FROM feed_bucket"
                               " WHERE feed = $1 AND bucket >= $2 AND bucket < $3",
                               feed, bucket_of(from), std::max(bucket_of(to), bucket_of(from) + 1)));
  return static_cast<double>(sum.value_or(0));
}

// Mean messages a microsecond in the window before `now`, as learnt; 0 when nothing is known.
Result<double> usual_rate(Sqlite& db, std::int64_t feed, Time first_seen, Time now, Duration window) {
  const Time begin = now - window;
  const double span = static_cast<double>(window.count());
  const int weeks = weeks_known(first_seen, begin);
  double messages = 0;
  for (int week = 1; week <= weeks; ++week) {
    MN_TRY(sum, messages_between(db, feed, begin - week * kWeek, now - week * kWeek));
    messages += sum;
  }
  if (weeks > 0) return messages / weeks / span;
  // Younger than a week: the mean since it was first seen, provided that is long enough to have one.
  const Time from = std::max(first_seen, now - kWeek);
  if (now - from < kWindowMin) return 0.0;
  MN_TRY(sum, messages_between(db, feed, from, now));
  return sum / static_cast<double>((now - from).count());
}

}  // namespace

struct FeedActivity::State {
  explicit State(Sqlite& writer) : db(writer) {}
  Status load();
  Result<std::int64_t> id_of(const FeedKey& key);
  Status write(std::int64_t id, const Gathered& gathered);

  Sqlite& db;
  bool loaded = false;
  std::map<FeedKey, std::int64_t> ids;
  std::map<std::int64_t, Gathered> gathered;
  std::int64_t newest_bucket = 0;
  std::int64_t trimmed_before = 0;
};

Status FeedActivity::State::load() {
  if (loaded) return {};
  MN_TRY(rows, db.query("SELECT id, listener, sender_application, sender_facility FROM feed"));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) break;
    ids.emplace(FeedKey{std::string(rows.text(1)), std::string(rows.text(2)), std::string(rows.text(3))},
                rows.integer(0));
  }
  loaded = true;
  return {};
}

Result<std::int64_t> FeedActivity::State::id_of(const FeedKey& key) {
  if (const auto found = ids.find(key); found != ids.end()) return found->second;
  const auto id = static_cast<std::int64_t>(ids.size()) + 1;
  MN_CHECK(db.run("INSERT INTO feed VALUES ($1, $2, $3, $4, NULL, NULL, 0, 0, 0, 0, 0)", id, key.listener,
                  key.sender_application, key.sender_facility));
  ids.emplace(key, id);
  return id;
}

Status FeedActivity::State::write(std::int64_t id, const Gathered& g) {
  for (const auto& [bucket, sums] : g.buckets) {
    MN_CHECK(
        db.run("INSERT INTO feed_bucket VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (feed, bucket) DO UPDATE SET"
               " accepted = accepted + excluded.accepted, refused = refused + excluded.refused,"
               " duplicates = duplicates + excluded.duplicates, bytes = bytes + excluded.bytes",
               id, bucket, sums.accepted, sums.refused, sums.duplicates, sums.bytes));
  }
  return db.run(
      "UPDATE feed SET first_seen = min(ifnull(first_seen, $1), $1), last_seen = max(ifnull(last_seen, $2), $2),"
      " last_seq = max(last_seq, $3), accepted = accepted + $4, refused = refused + $5,"
      " duplicates = duplicates + $6, bytes = bytes + $7 WHERE id = $8",
      g.first, g.last, g.last_seq, g.sums.accepted, g.sums.refused, g.sums.duplicates, g.sums.bytes, id);
}

ProjectionSchema FeedActivity::schema() { return {.name = "feed-activity", .version = 1, .sql = kTables}; }
FeedActivity::FeedActivity(Sqlite& writer) : state_(std::make_unique<State>(writer)) {}
FeedActivity::~FeedActivity() = default;

Status FeedActivity::note(const FeedKey& feed, Seq seq, Time received, std::uint64_t bytes, FeedEvent event) {
  auto& state = *state_;
  MN_CHECK(state.load());
  FeedKey key{index_layout::clean(feed.listener), index_layout::clean(feed.sender_application),
              index_layout::clean(feed.sender_facility)};
  if (state.ids.size() >= kIndexFeedsMax && !state.ids.contains(key)) key = {"*", "*", "*"};
  MN_TRY(id, state.id_of(key));
  auto [at, fresh] = state.gathered.try_emplace(id);
  auto& gathered = at->second;
  if (fresh) gathered.first = gathered.last = received;
  gathered.first = std::min(gathered.first, received);
  gathered.last = std::max(gathered.last, received);
  gathered.last_seq = std::max(gathered.last_seq, seq);
  gathered.sums.add(event, bytes);
  gathered.buckets[bucket_of(received)].add(event, bytes);
  state.newest_bucket = std::max(state.newest_bucket, bucket_of(received));
  return {};
}

Status FeedActivity::flush() {
  auto& state = *state_;
  for (const auto& [id, gathered] : state.gathered) MN_CHECK(state.write(id, gathered));
  state.gathered.clear();
  // Once for each new bucket: rows older than what is learnt from.
  const std::int64_t keep_from = state.newest_bucket - kFeedHistory / kFeedBucket;
  if (keep_from <= state.trimmed_before) return {};
  state.trimmed_before = keep_from;
  return state.db.run("DELETE FROM feed_bucket WHERE bucket < $1", keep_from);
}

void FeedActivity::forget() {
  state_->loaded = false;
  state_->ids.clear();
  state_->gathered.clear();
  state_->trimmed_before = 0;
}

Result<std::vector<FeedTotals>> read_feeds(Sqlite& reader) {
  std::vector<FeedTotals> feeds;
  MN_TRY(rows, reader.query("SELECT listener, sender_application, sender_facility, first_seen, last_seen, last_seq,"
                            " accepted, refused, duplicates, bytes FROM feed ORDER BY 1, 2, 3"));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return feeds;
    feeds.push_back({.feed = {std::string(rows.text(0)), std::string(rows.text(1)), std::string(rows.text(2))},
                     .first_seen = rows.time(3),
                     .last_seen = rows.time(4),
                     .last_seq = rows.seq(5),
                     .accepted = rows.natural(6),
                     .refused = rows.natural(7),
                     .duplicates = rows.natural(8),
                     .bytes = rows.natural(9)});
  }
}

Result<std::vector<FeedBucket>> read_buckets(Sqlite& reader, const FeedKey& feed, Time from, Time to) {
  std::vector<FeedBucket> buckets;
  MN_TRY(rows, reader.query("SELECT bucket, b.accepted, b.refused, b.duplicates, b.bytes FROM feed_bucket b"
                            " JOIN feed f ON f.id = b.feed WHERE f.listener = $1 AND f.sender_application = $2"
                            " AND f.sender_facility = $3 AND bucket >= $4 AND bucket < $5 ORDER BY bucket",
                            feed.listener, feed.sender_application, feed.sender_facility,
                            bucket_of(from + kFeedBucket - Duration(1)), bucket_of(to + kFeedBucket - Duration(1))));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return buckets;
    buckets.push_back({.begin = begin_of(rows.integer(0)),
                       .accepted = rows.natural(1),
                       .refused = rows.natural(2),
                       .duplicates = rows.natural(3),
                       .bytes = rows.natural(4)});
  }
}

Result<std::vector<FeedSilence>> read_silences(Sqlite& reader, Time now) {
  std::vector<FeedSilence> silences;
  MN_TRY(rows,
         reader.query("SELECT id, listener, sender_application, sender_facility, first_seen, last_seen FROM feed"));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) break;
    FeedSilence silence;
    silence.feed = {std::string(rows.text(1)), std::string(rows.text(2)), std::string(rows.text(3))};
    silence.last_seen = rows.time(5);
    silence.silent = std::max(Duration(0), now - silence.last_seen);
    const Duration window = std::clamp(silence.silent, Duration(kWindowMin), kWeek);
    MN_TRY(rate, usual_rate(reader, rows.integer(0), rows.time(4), now, window));
    if (rate > 0) silence.usual_gap = Duration(static_cast<std::int64_t>(1 / rate));
    silence.expected = rate * static_cast<double>(silence.silent.count());
    silences.push_back(std::move(silence));
  }
  std::ranges::sort(silences, std::greater(), &FeedSilence::expected);
  return silences;
}

}  // namespace minato
