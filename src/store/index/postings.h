// Sets of sequences that are walked from the newest down, and their intersection. Internal to the index.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace minato {
class Sqlite;
}

namespace minato::index_layout {

// Counts tree look-ups, so that a search can stop in time.
struct Steps {
  std::size_t taken = 0;
};

class Postings {
 public:
  virtual ~Postings() = default;
  // The greatest member that is <= `at_most`; 0 when there is none. `at_most` never grows from call to call.
  virtual Result<Seq> at_or_below(Seq at_most) = 0;
};

// Every message.
class AllMessages : public Postings {
 public:
  AllMessages(Sqlite& db, Steps& steps) : db_(db), steps_(steps) {}
  Result<Seq> at_or_below(Seq at_most) override;

 private:
  Sqlite& db_;
  Steps& steps_;
};

// Messages with a value of this hash: one look-up an epoch that holds any message.
class KeyPostings : public Postings {
 public:
  KeyPostings(Sqlite& db, Steps& steps, std::uint32_t hash) : db_(db), steps_(steps), hash_(hash) {}
  Result<Seq> at_or_below(Seq at_most) override;

 private:
  Sqlite& db_;
  Steps& steps_;
  std::uint32_t hash_;
  std::optional<Seq> oldest_;
};

// Messages in any of the groups. Each group is looked up once, and again when the walk has passed its newest member.
class GroupPostings : public Postings {
 public:
  GroupPostings(Sqlite& db, Steps& steps, std::vector<std::int64_t> groups)
      : db_(db), steps_(steps), groups_(std::move(groups)) {}
  Result<Seq> at_or_below(Seq at_most) override;

 private:
  Status push(std::int64_t group, Seq at_most);
  Sqlite& db_;
  Steps& steps_;
  std::vector<std::int64_t> groups_;
  bool started_ = false;
  std::priority_queue<std::pair<Seq, std::int64_t>> newest_;
};

// Sequences within any of the ranges [first, second], newest range first, not overlapping.
class RangePostings : public Postings {
 public:
  explicit RangePostings(std::vector<std::pair<Seq, Seq>> ranges) : ranges_(std::move(ranges)) {}
  Result<Seq> at_or_below(Seq at_most) override;

 private:
  std::vector<std::pair<Seq, Seq>> ranges_;
  std::size_t at_ = 0;
};

// The greatest sequence <= `at_most` that all of `lists` (at least one) have; 0 when there is none. Gives up when
// `steps` reaches `steps_max` and returns, with `exhausted`, a sequence above which there surely is none; it is always
// below `at_most`, so that going on from there comes to an end.
struct Common {
  Seq seq;
  bool exhausted = false;
};
Result<Common> common_at_or_below(std::vector<Postings*>& lists, Seq at_most, const Steps& steps,
                                  std::size_t steps_max);

}  // namespace minato::index_layout
