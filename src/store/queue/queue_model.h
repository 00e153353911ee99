// For tests only: the queue's contract, written as slowly and plainly as it can be, to hold the real ones against.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/limits.h"
#include "store/queue/queue.h"

namespace minato {

class QueueModel {
 public:
  struct Item {
    NewItem item;
    Time since;
    bool parked = false;
    std::uint32_t receives = 0, failures = 0;
    std::vector<Attempt> attempts;
    std::optional<Time> parked_at;
    std::string parked_reason;
    std::vector<std::string> lanes() const {
      std::vector<std::string> out = item.lanes;
      if (out.size() == 2 && out[0] == out[1]) out.pop_back();
      return out;
    }
    bool barrier() const { return lanes().size() == 2; }
    bool blocks() const { return !parked || barrier(); }
  };
  struct Lease {
    std::string worker;
    ItemId item;
    Time until;
  };

  std::map<ItemId, Item> items;
  std::map<std::string, Lease> leases;  // by lane

  // ---- changes
  void apply(const QueueChange& change) {
    std::visit([&](const auto& one) { take(one); }, change);
    std::erase_if(leases, [&](const auto& entry) { return !items.contains(entry.second.item); });
  }

  // ---- leases
  bool heads_its_lanes(const Item& item) const {
    for (const auto& lane : item.lanes()) {
      for (const auto& [id, other] : items) {
        if (id == item.item.id) break;
        const auto lanes = other.lanes();
        if (other.blocks() && std::ranges::find(lanes, lane) != lanes.end()) return false;
      }
    }
    return !item.parked;
  }
  // When it may be leased, if all before it is done; 1970 for at once.
  Time due(const Item& item) const {
    Time due = item.item.not_before.value_or(Time());
    for (const auto& lane : item.lanes()) {
      if (const auto lease = leases.find(lane); lease != leases.end()) due = std::max(due, lease->second.until);
    }
    return due;
  }
  Time waiting_since(const Item& item) const { return due(item) == Time() ? item.since : due(item); }
  static bool step_matches(const std::string& step, const std::vector<std::string>& wanted) {
    return wanted.empty() || std::ranges::any_of(wanted, [&](const std::string& one) {
             return one.ends_with(':') ? step.starts_with(one) : step == one;
           });
  }
  std::vector<ItemId> runnable(Time now, const std::vector<std::string>& steps) const {
    std::vector<ItemId> out;
    for (const auto& [id, item] : items) {
      if (step_matches(item.item.step, steps) && heads_its_lanes(item) && due(item) <= now) out.push_back(id);
    }
    return out;
  }
  std::optional<Time> next_runnable(Time now, const std::vector<std::string>& steps) const {
    std::optional<Time> next;
    for (const auto& [id, item] : items) {
      if (!step_matches(item.item.step, steps) || !heads_its_lanes(item) || due(item) <= now) continue;
      next = std::min(next.value_or(Time::max()), due(item));
    }
    return next;
  }
  // A worker was given this item.
  void leased(ItemId id, const std::string& worker, Time until) {
    Item& item = items.at(id);
    std::set<ItemId> overtaken;
    for (const auto& lane : item.lanes()) {
      if (leases.contains(lane)) overtaken.insert(leases.at(lane).item);
    }
    std::erase_if(leases, [&](const auto& entry) { return overtaken.contains(entry.second.item); });
    for (const auto& lane : item.lanes()) leases[lane] = {worker, id, until};
    ++item.receives;
  }
  std::size_t renew(const std::string& worker, Time until) {
    std::set<ItemId> held;
    for (auto& [lane, lease] : leases) {
      if (lease.worker != worker) continue;
      lease.until = until;
      held.insert(lease.item);
    }
    return held.size();
  }
  void release(ItemId id, const std::string& worker) {
    const auto ended = std::erase_if(
        leases, [&](const auto& entry) { return entry.second.worker == worker && entry.second.item == id; });
    if (ended > 0 && items.at(id).receives > 0) --items.at(id).receives;
  }
  void restart() { leases.clear(); }

  // ---- views
  ItemState state(const Item& item) const {
    if (item.parked) return ItemState::kParked;
    const bool leased =
        std::ranges::any_of(leases, [&](const auto& entry) { return entry.second.item == item.item.id; });
    return leased ? ItemState::kLeased : ItemState::kWaiting;
  }
  bool after_parked(const Item& item) const {
    for (const auto& [id, other] : items) {
      if (id == item.item.id) break;
      for (const auto& lane : item.lanes()) {
        const auto lanes = other.lanes();
        if (other.parked && std::ranges::find(lanes, lane) != lanes.end()) return true;
      }
    }
    return false;
  }
  QueueStats stats() const {
    QueueStats stats;
    std::set<std::string> lanes;
    for (const auto& [id, item] : items) {
      for (const auto& lane : item.lanes()) lanes.insert(lane);
      const ItemState is = state(item);
      ++(is == ItemState::kParked ? stats.parked : is == ItemState::kLeased ? stats.leased : stats.waiting);
      if (!item.parked && !stats.oldest_waiting) stats.oldest_waiting = item.since;
    }
    stats.lanes = lanes.size();
    return stats;
  }

 private:
  void enqueue(const NewItem& item, Time at) {
    if (ended_.contains(item.id)) return;
    items.try_emplace(item.id, Item{item, at, false, 0, 0, {}, {}, {}});
  }
  void end(ItemId id) {
    items.erase(id);
    // Within one batch even the queue knows that it was there; the tests never enqueue an id again later.
    ended_.insert(id);
  }
  void let_go(ItemId id) {
    std::erase_if(leases, [&](const auto& entry) { return entry.second.item == id; });
  }
  Item* find(ItemId id, bool parked) {
    const auto found = items.find(id);
    return found != items.end() && found->second.parked == parked ? &found->second : nullptr;
  }
  static void add_attempt(Item& item, Time at, const std::string& error) {
    item.attempts.push_back({at, error, 1});
    if (item.attempts.size() <= kQueueAttemptsKept) return;
    item.attempts.erase(item.attempts.begin() + 1);
    ++item.attempts.front().times;
  }

  void take(const Enqueue& change) { enqueue(change.item, change.at); }
  void take(const Finish& change) {
    if (!items.contains(change.id)) return;
    end(change.id);
    for (const auto& child : change.children) enqueue(child, change.at);
  }
  void take(const Fail& change) {
    Item* item = find(change.id, false);
    if (item == nullptr) return;
    ++item->failures;
    item->item.not_before = change.not_before;
    add_attempt(*item, change.at, change.error);
    let_go(change.id);
  }
  void take(const Park& change) {
    Item* item = find(change.id, false);
    if (item == nullptr) return;
    item->parked = true;
    item->parked_at = change.at;
    item->parked_reason = change.reason;
    let_go(change.id);
  }
  void take(const Redrive& change) {
    std::int64_t nth = 0;
    for (const ItemId id : change.ids) {
      Item* item = find(id, true);
      if (item == nullptr) continue;
      add_attempt(*item, *item->parked_at, item->parked_reason);
      item->parked = false;
      item->parked_at.reset();
      item->parked_reason.clear();
      item->receives = item->failures = 0;
      item->item.not_before.reset();
      if (change.per_second > 0) item->item.not_before = change.at + Duration(nth * 1'000'000 / change.per_second);
      ++nth;
    }
  }
  void take(const Discard& change) {
    for (const ItemId id : change.ids) {
      if (find(id, true) != nullptr) end(id);
    }
  }

  std::set<ItemId> ended_;
};

}  // namespace minato
