// Random operations on the real queue and on a model of it; after each, both must say the same about everything.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "store/queue/queue_model.h"
#include "store/queue/queues_for_test.h"

namespace minato {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Play {
 public:
  Play(QueueForTest& queue, std::uint64_t seed) : queue_(queue), random_(seed) {}

  void steps(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFatalFailure(); ++i) {
      step();
      compare();
    }
  }

  // Everything that was ever applied, once more on an empty database and cut into other batches: what waits and what is
  // parked is the same. Receives are not in the journal.
  void rebuild() {
    queue_.remove();
    model_.restart();
    for (auto& [id, item] : model_.items) item.receives = 0;
    std::size_t done = 0;
    while (done < history_.size() && !::testing::Test::HasFatalFailure()) {
      const std::size_t count = std::min<std::size_t>(1 + pick(200), history_.size() - done);
      const auto from = queue_->position();
      ASSERT_TRUE(from);
      std::vector<QueueChange> batch;
      for (std::size_t i = done; i < done + count; ++i) batch.push_back(history_[i].second);
      const auto applied = queue_->apply(batch, *from, history_[done + count - 1].first);
      ASSERT_TRUE(applied) << applied.error().what;
      done += count;
    }
    compare();
  }

 private:
  std::size_t pick(std::size_t below) { return random_() % below; }
  bool chance(std::size_t percent) { return pick(100) < percent; }

  void step() {
    switch (pick(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return apply();
      case 4:
      case 5:
      case 6:
        return lease();
      case 7:
        return renew();
      case 8:
        return release();
      case 9:
      case 10:
        now_ += milliseconds(chance(20) ? 20'000 : pick(3000));
        return;
      default:
        if (chance(10) && queue_.survives_restarts()) restart();
    }
  }

  void restart() {
    queue_.restart();
    if (queue_.restart_ends_leases()) model_.restart();
  }

  std::string lane(const std::string& step) { return step + "|" + std::to_string(pick(4)); }

  NewItem item(ItemId id) {
    static const std::vector<std::string> steps = {"process", "mail", "forward:a", "forward:b"};
    const std::string step = steps[chance(60) ? 0 : pick(steps.size())];
    NewItem out{id, Seq{id.created_by.value / 2}, step, {lane(step)}, "{\"n\":" + to_string(id) + "}", {}};
    if (chance(20)) out.lanes.push_back(lane(step));
    if (chance(10)) out.not_before = now_ + milliseconds(pick(5000));
    return out;
  }

  // Mostly one that is there.
  ItemId some_id() {
    if (model_.items.empty() || chance(5)) return {Seq{1 + pick(next_ + 1)}, static_cast<std::uint32_t>(pick(3))};
    auto at = model_.items.begin();
    std::advance(at, pick(model_.items.size()));
    return at->first;
  }
  ItemId some_leased_id() {
    if (model_.leases.empty() || chance(10)) return some_id();
    auto at = model_.leases.begin();
    std::advance(at, pick(model_.leases.size()));
    return at->second.item;
  }
  std::vector<ItemId> some_ids() {
    std::vector<ItemId> ids;
    for (const auto& [id, item] : model_.items) {
      if (item.parked && chance(35)) ids.push_back(id);
    }
    if (chance(30)) ids.push_back(some_id());
    std::ranges::shuffle(ids, random_);
    return ids;
  }

  QueueChange change(Seq seq) {
    const std::size_t kind = pick(20);
    if (kind < 8) return Enqueue{item({seq, 0}), now_};
    if (kind < 12) {
      Finish finish{some_leased_id(), now_, {}};
      for (std::uint32_t i = 0; chance(25) && i < 3; ++i) finish.children.push_back(item({seq, i}));
      return finish;
    }
    if (kind < 14)
      return Fail{some_leased_id(), "error " + std::to_string(seq.value), now_, now_ + milliseconds(pick(4000))};
    if (kind < 17) return Park{some_leased_id(), "reason " + std::to_string(seq.value), now_};
    if (kind < 19) return Redrive{some_ids(), now_, chance(50) ? 0 : static_cast<std::uint32_t>(1 + pick(5))};
    return Discard{some_ids(), now_};
  }

  void apply() {
    const Seq from{next_};
    std::vector<QueueChange> changes;
    for (std::size_t i = 0; i < 1 + pick(6); ++i) {
      changes.push_back(change(Seq{++next_}));
      history_.emplace_back(Seq{next_}, changes.back());
      model_.apply(changes.back());
    }
    if (chance(10) && from.value > 0) {
      const auto stale = queue_->apply(changes, Seq{from.value - 1}, Seq{next_});
      ASSERT_FALSE(stale);
      ASSERT_EQ(stale.error().code, Errc::kConflict);
    }
    const auto applied = queue_->apply(changes, from, Seq{next_});
    ASSERT_TRUE(applied) << applied.error().what;
    if (chance(10)) {
      const auto again = queue_->apply(changes, from, Seq{next_});
      ASSERT_FALSE(again);
      ASSERT_EQ(again.error().code, Errc::kConflict);
    }
  }

  std::vector<std::string> wanted_steps() {
    switch (pick(5)) {
      case 0:
        return {"process"};
      case 1:
        return {"forward:", "mail"};
      case 2:
        return {"forward:a", "never seen"};
      default:
        return {};
    }
  }

  void lease() {
    const std::string worker = "w" + std::to_string(pick(3));
    const LeaseRequest request{wanted_steps(), 1 + pick(6), milliseconds(500 + pick(8000))};
    const auto runnable = model_.runnable(now_, request.steps);
    std::vector<Time> ages;
    for (const ItemId id : runnable) ages.push_back(model_.waiting_since(model_.items.at(id)));
    std::ranges::sort(ages);

    const auto leased = queue_->lease(worker, now_, request);
    ASSERT_TRUE(leased) << leased.error().what;
    ASSERT_EQ(leased->size(), std::min(request.lanes_max, runnable.size()));
    std::set<ItemId> seen;
    for (std::size_t i = 0; i < leased->size(); ++i) {
      const Leased& one = (*leased)[i];
      const ItemId id = one.item.id;
      ASSERT_TRUE(std::ranges::find(runnable, id) != runnable.end()) << to_string(id) << " may not run";
      ASSERT_TRUE(seen.insert(id).second);
      // The longest waiting first. Several may be as old; then which of them is the queue's choice.
      ASSERT_EQ(model_.waiting_since(model_.items.at(id)), ages[i]);
    }
    for (const Leased& one : *leased) check_leased(one, worker, now_ + request.duration);
  }

  void check_leased(const Leased& one, const std::string& worker, Time until) {
    model_.leased(one.item.id, worker, until);
    const auto& expected = model_.items.at(one.item.id);
    ASSERT_EQ(one.item.lanes, expected.lanes());
    ASSERT_EQ(one.item.step, expected.item.step);
    ASSERT_EQ(one.item.args, expected.item.args);
    ASSERT_EQ(one.item.origin, expected.item.origin);
    ASSERT_EQ(one.item.not_before, expected.item.not_before);
    ASSERT_EQ(one.receives, expected.receives);
    ASSERT_EQ(one.failures, expected.failures);
    ASSERT_EQ(one.after_parked, model_.after_parked(expected));
    ASSERT_EQ(one.fences.size(), expected.lanes().size());
    for (std::size_t i = 0; i < one.fences.size(); ++i) {
      ASSERT_EQ(one.fences[i].lane, one.item.lanes[i]);
      auto& epoch = epochs_[one.fences[i].lane];
      ASSERT_GT(one.fences[i].epoch, epoch) << "an epoch of a lane grows at each lease";
      epoch = one.fences[i].epoch;
    }
  }

  void renew() {
    const std::string worker = "w" + std::to_string(pick(3));
    const Duration duration = milliseconds(500 + pick(8000));
    const auto renewed = queue_->renew(worker, now_, duration);
    ASSERT_TRUE(renewed) << renewed.error().what;
    ASSERT_EQ(*renewed, model_.renew(worker, now_ + duration));
  }

  void release() {
    const ItemId id = some_leased_id();
    const std::string worker = "w" + std::to_string(pick(3));
    ASSERT_TRUE(queue_->release(id, worker));
    model_.release(id, worker);
  }

  // ---- comparison

  void compare() {
    if (::testing::Test::HasFatalFailure()) return;
    const auto position = queue_->position();
    ASSERT_TRUE(position);
    ASSERT_EQ(*position, Seq{next_});
    const auto views = queue_->items({}, {}, 10'000);
    ASSERT_TRUE(views) << views.error().what;
    ASSERT_EQ(views->size(), model_.items.size());
    auto expected = model_.items.begin();
    for (const auto& view : *views) compare_item(view, (expected++)->second);
    compare_stats();
    compare_filter();
    const auto steps = wanted_steps();
    const auto next = queue_->next_runnable(now_, steps);
    ASSERT_TRUE(next) << next.error().what;
    ASSERT_EQ(*next, model_.next_runnable(now_, steps));
  }

  void compare_item(const ItemView& view, const QueueModel::Item& expected) {
    ASSERT_EQ(view.item.id, expected.item.id);
    ASSERT_EQ(view.item.lanes, expected.lanes());
    ASSERT_EQ(view.item.not_before, expected.item.not_before);
    ASSERT_EQ(view.item.args, expected.item.args);
    ASSERT_EQ(view.state, model_.state(expected)) << to_string(view.item.id);
    ASSERT_EQ(view.receives, expected.receives);
    ASSERT_EQ(view.parked_at, expected.parked_at);
    ASSERT_EQ(view.parked_reason, expected.parked_reason);
    ASSERT_EQ(view.after_parked, model_.after_parked(expected)) << to_string(view.item.id);
    ASSERT_EQ(view.attempts.size(), expected.attempts.size());
    for (std::size_t i = 0; i < view.attempts.size(); ++i) {
      ASSERT_EQ(view.attempts[i].at, expected.attempts[i].at);
      ASSERT_EQ(view.attempts[i].error, expected.attempts[i].error);
      ASSERT_EQ(view.attempts[i].times, expected.attempts[i].times);
    }
  }

  void compare_stats() {
    const auto stats = queue_->stats();
    ASSERT_TRUE(stats) << stats.error().what;
    const QueueStats expected = model_.stats();
    ASSERT_EQ(stats->waiting, expected.waiting);
    ASSERT_EQ(stats->leased, expected.leased);
    ASSERT_EQ(stats->parked, expected.parked);
    ASSERT_EQ(stats->lanes, expected.lanes);
    ASSERT_EQ(stats->oldest_waiting, expected.oldest_waiting);
  }

  ItemFilter filter() {
    ItemFilter out;
    if (chance(60)) out.state = static_cast<ItemState>(pick(3));
    if (chance(30)) out.step = chance(50) ? "forward:" : "process";
    if (chance(20)) out.lane = lane("process");
    if (chance(20)) out.origin = Seq{pick(next_ + 1)};
    if (chance(15)) out.parked_from = now_ - milliseconds(pick(20'000));
    if (chance(15)) out.parked_to = now_ - milliseconds(pick(20'000));
    for (std::size_t i = 0; chance(20) && i < 5; ++i) out.ids.push_back(some_id());
    return out;
  }

  bool matches(const QueueModel::Item& item, const ItemFilter& filter) const {
    const auto lanes = item.lanes();
    if (filter.state && *filter.state != model_.state(item)) return false;
    if (filter.step && !QueueModel::step_matches(item.item.step, {*filter.step})) return false;
    if (filter.lane && std::ranges::find(lanes, *filter.lane) == lanes.end()) return false;
    if (filter.origin && *filter.origin != item.item.origin) return false;
    if (filter.parked_from && !(item.parked_at && *item.parked_at >= *filter.parked_from)) return false;
    if (filter.parked_to && !(item.parked_at && *item.parked_at < *filter.parked_to)) return false;
    return filter.ids.empty() || std::ranges::find(filter.ids, item.item.id) != filter.ids.end();
  }

  void compare_filter() {
    const ItemFilter asked = filter();
    const std::optional<ItemId> after = chance(50) ? std::optional(some_id()) : std::nullopt;
    const std::size_t limit = 1 + pick(20);
    std::vector<ItemId> expected;
    std::uint64_t count = 0;
    for (const auto& [id, item] : model_.items) {
      if (!matches(item, asked)) continue;
      ++count;
      if ((!after || id > *after) && expected.size() < limit) expected.push_back(id);
    }
    const auto counted = queue_->count(asked);
    ASSERT_TRUE(counted) << counted.error().what;
    ASSERT_EQ(*counted, count);
    const auto views = queue_->items(asked, after, limit);
    ASSERT_TRUE(views) << views.error().what;
    std::vector<ItemId> got;
    for (const auto& view : *views) got.push_back(view.item.id);
    ASSERT_EQ(got, expected);
  }

  QueueForTest& queue_;
  std::mt19937_64 random_;
  QueueModel model_;
  Time now_ = from_micros(1'700'000'000'000'000);
  std::uint64_t next_ = 0;
  std::vector<std::pair<Seq, QueueChange>> history_;
  std::map<std::string, std::uint64_t> epochs_;
};

class QueueModelTest : public ::testing::TestWithParam<QueueKind> {};

TEST_P(QueueModelTest, RandomOperationsDoWhatTheModelDoes) {
  // MINATO_QUEUE_SEED=n runs that one; MINATO_QUEUE_RUNS=n more of them.
  const char* const one = std::getenv("MINATO_QUEUE_SEED");
  const char* const more = std::getenv("MINATO_QUEUE_RUNS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t runs = one != nullptr                       ? 1
                             : more != nullptr                    ? std::strtoull(more, nullptr, 10)
                             : GetParam() == QueueKind::kPostgres ? 3
                                                                  : 8;
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    SCOPED_TRACE("MINATO_QUEUE_SEED=" + std::to_string(seed));
    QueueForTest queue(GetParam());
    if (!queue.there()) GTEST_SKIP() << PostgresForTest::kMissing;
    Play play(queue, seed);
    play.steps(400);
    if (!HasFatalFailure()) play.rebuild();
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Queues, QueueModelTest,
                         ::testing::Values(QueueKind::kFile, QueueKind::kMemory, QueueKind::kPostgres), name_of);

}  // namespace
}  // namespace minato
