#include "store/queue/lease.h"

#include <algorithm>

namespace minato {
namespace {

// What a candidate waits since: its record's time, or the instant at which it was to be tried (again).
Time waiting_since(const LaneCandidate& lane) { return lane.due == Time() ? lane.since : lane.due; }

struct Chosen {
  LaneCandidate lane;
  std::optional<LaneCandidate> partner;
};

class Leasing {
 public:
  Leasing(QueueTables& tables, std::string_view worker, Time now, Time until)
      : tables_(tables), worker_(worker), now_(now), until_(until) {}

  Result<std::vector<Leased>> run(std::vector<LaneCandidate> candidates, std::size_t items_max) {
    std::ranges::sort(candidates, [](const auto& a, const auto& b) {
      return std::pair(waiting_since(a), a.head) < std::pair(waiting_since(b), b.head);
    });
    MN_CHECK(load_partners(candidates));
    for (auto& candidate : candidates) {
      if (chosen_.size() == items_max) break;
      MN_CHECK(choose(std::move(candidate)));
    }
    if (chosen_.empty()) return std::vector<Leased>();
    MN_CHECK(write());
    return answer();
  }

 private:
  Status load_partners(const std::vector<LaneCandidate>& candidates) {
    std::vector<LaneCandidate> barriers;
    for (const auto& candidate : candidates) {
      if (candidate.partner) barriers.push_back(candidate);
    }
    if (barriers.empty()) return {};
    MN_TRY(found, tables_.lock_partners(barriers));
    for (auto& partner : found) {
      const LaneKey key = partner.lane;
      partners_.emplace(key, std::move(partner));
    }
    return {};
  }

  Status choose(LaneCandidate lane) {
    if (!lane.partner) {
      chosen_.push_back({std::move(lane), {}});
      return {};
    }
    const auto partner = partners_.find(*lane.partner);
    // Locked by somebody who is about to change it: next time.
    if (partner == partners_.end() || partner->second.head != lane.head) return {};
    if (partner->second.leased && partner->second.lease_until > now_) {
      return tables_.set_due(lane.lane, partner->second.lease_until);
    }
    chosen_.push_back({std::move(lane), std::move(partner->second)});
    return {};
  }

  // A lease that ran out may be of another item than the one that now comes first (it was redriven meanwhile); if that
  // is a barrier, its other lane must not stay behind.
  Status end_old_lease(const LaneCandidate& lane) {
    if (!lane.leased || *lane.leased == lane.head) return {};
    return tables_.end_leases(lane.owner, *lane.leased);
  }

  Status write() {
    std::vector<LeaseWrite> leases;
    for (const auto& [lane, partner] : chosen_) {
      MN_CHECK(end_old_lease(lane));
      if (partner) MN_CHECK(end_old_lease(*partner));
      leases.push_back({lane.lane, lane.head, until_});
      if (partner) leases.push_back({partner->lane, lane.head, std::nullopt});
    }
    MN_TRY(epochs, tables_.write_leases(leases, worker_, until_));
    epochs_ = std::move(epochs);
    if (epochs_.size() != leases.size()) return fail(Errc::kCorrupt, "queue: a locked lane was not there");
    return {};
  }

  Result<std::vector<Leased>> answer() {
    std::vector<ItemKey> keys;
    for (const auto& one : chosen_) keys.push_back(one.lane.head);
    MN_TRY(received, tables_.receive(keys));
    std::map<ItemKey, Leased> by_key;
    for (auto& leased : received) {
      const ItemKey key = key_of(leased.item.id);
      by_key.emplace(key, std::move(leased));
    }
    std::vector<Leased> out;
    std::size_t nth = 0;
    for (const auto& [lane, partner] : chosen_) {
      const auto found = by_key.find(lane.head);
      if (found == by_key.end()) return fail(Errc::kCorrupt, "queue: a lane's head is not there");
      Leased& leased = found->second;
      add_lane(leased, lane, epochs_[nth++]);
      if (partner) add_lane(leased, *partner, epochs_[nth++]);
      out.push_back(std::move(leased));
    }
    return out;
  }

  static void add_lane(Leased& leased, const LaneCandidate& lane, std::uint64_t epoch) {
    leased.item.lanes.push_back(lane.name);
    leased.fences.push_back({lane.name, epoch});
    leased.after_parked |= lane.first_parked && *lane.first_parked < lane.head;
  }

  QueueTables& tables_;
  const std::string_view worker_;
  const Time now_, until_;
  std::map<LaneKey, LaneCandidate> partners_;
  std::vector<Chosen> chosen_;
  std::vector<std::uint64_t> epochs_;
};

}  // namespace

std::vector<StepKey> requested_steps(const StepKeys& steps, const std::vector<std::string>& request) {
  std::vector<StepKey> keys;
  for (const auto& [name, key] : steps) {
    const bool wanted = std::ranges::any_of(request, [&](const std::string& entry) {
      return entry.ends_with(':') ? name.starts_with(entry) : name == entry;
    });
    if (wanted || request.empty()) keys.push_back(key);
  }
  return keys;
}

Result<std::vector<Leased>> lease_lanes(QueueTables& tables, std::string_view worker, Time now,
                                        const LeaseRequest& request) {
  if (request.lanes_max == 0) return std::vector<Leased>();
  MN_TRY(all, tables.steps_with({}));
  const auto steps = requested_steps(all, request.steps);
  if (steps.empty()) return std::vector<Leased>();
  MN_TRY(candidates, tables.candidates(steps, now, request.lanes_max));
  if (candidates.empty()) return std::vector<Leased>();
  return Leasing(tables, worker, now, now + request.duration).run(std::move(candidates), request.lanes_max);
}

}  // namespace minato
