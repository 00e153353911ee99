// How busy each sender is, in ten-minute buckets: for dashboards, and for noticing that one that usually talks is
// silent.
//
//   activity.note({.listener = "adt", .sender_application = "HIS"}, received, bytes, FeedEvent::kAccepted);   //
//   follower MN_TRY(silences, read_silences(reader.database(), now)); for (const auto& feed : silences) if
//   (feed.expected >= 10) alarm(feed);
//
// The expectation is learnt: what came in the same window of the week during the four weeks before (fewer when the feed
// is younger), so a laboratory that sleeps on Sundays is not missed on Sundays.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "store/index/projection.h"

namespace minato {

class Sqlite;

inline constexpr std::chrono::minutes kFeedBucket{10};
// Five weeks: four to learn from, and the running one.
inline constexpr std::chrono::hours kFeedHistory{24 * 35};

struct FeedKey {
  std::string listener = {}, sender_application = {}, sender_facility = {};
  friend auto operator<=>(const FeedKey&, const FeedKey&) = default;
};

enum class FeedEvent : std::uint8_t { kAccepted, kRefused, kDuplicate };

struct FeedBucket {
  Time begin = {};  // a multiple of kFeedBucket since 1970
  std::uint64_t accepted = 0, refused = 0, duplicates = 0;
  std::uint64_t bytes = 0;
};

struct FeedTotals {
  FeedKey feed = {};
  Time first_seen = {}, last_seen = {};
  Seq last_seq = {};
  std::uint64_t accepted = 0, refused = 0, duplicates = 0;
  std::uint64_t bytes = 0;
};

struct FeedSilence {
  FeedKey feed = {};
  Time last_seen = {};
  Duration silent{};     // now - last_seen, never negative
  Duration usual_gap{};  // mean time between two messages in such a window; zero when nothing usually comes
  double expected = 0;   // messages that would have come during the silence
};

// The writing side: gathers in memory, writes at the end of a batch. One thread; enlist it at DerivedDatabase.
class FeedActivity : public BatchParticipant {
 public:
  static ProjectionSchema schema();
  explicit FeedActivity(Sqlite& writer);
  ~FeedActivity() override;

  // Beyond kIndexFeedsMax different feeds, further ones are counted together under the name "*".
  Status note(const FeedKey& feed, Seq seq, Time received, std::uint64_t bytes, FeedEvent event);

  Status flush() override;
  void forget() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Readers, on any reading connection.
Result<std::vector<FeedTotals>> read_feeds(Sqlite& reader);
// Buckets that begin in [from, to), oldest first, empty ones left out. Kept for kFeedHistory.
Result<std::vector<FeedBucket>> read_buckets(Sqlite& reader, const FeedKey& feed, Time from, Time to);
// Every feed, the least expected silence first (largest `expected`).
Result<std::vector<FeedSilence>> read_silences(Sqlite& reader, Time now);

}  // namespace minato
