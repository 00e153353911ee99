// Passing messages on: which rules are in use, what they make of a message as queue items, and the step that delivers
// one.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "flow/deliver.h"
#include "flow/effect_guard.h"
#include "flow/route.h"
#include "flow/step.h"

namespace minato {

// The rules in use, and every earlier version that a queued item may still name. Each version is a file
// `directory`/<version>.toml; `directory`/current names the one in use. Thread-safe.
class CurrentRoutes {
 public:
  // `initial` is used when no version is in use yet: the text of the configuration's routes_file, may be empty.
  static Result<std::unique_ptr<CurrentRoutes>> open(Files& files, const std::string& directory,
                                                     std::string_view initial, std::vector<std::string> destinations);
  std::shared_ptr<const RouteSet> current() const;
  // kNotFound: no such version was ever in use here.
  Result<std::shared_ptr<const RouteSet>> version(const std::string& version);
  // Checks the rules (kRefused with every fault) and makes them the ones in use, durably. Returns their version.
  Result<std::string> apply(std::string_view text);
  const std::vector<std::string>& destinations() const { return destinations_; }

 private:
  CurrentRoutes(Files& files, std::string directory, std::vector<std::string> destinations)
      : files_(files), directory_(std::move(directory)), destinations_(std::move(destinations)) {}

  Files& files_;
  const std::string directory_;
  const std::vector<std::string> destinations_;
  mutable std::mutex mutex_;
  std::shared_ptr<const RouteSet> current_;
  std::map<std::string, std::shared_ptr<const RouteSet>> versions_;
};

// "forward:lab", "webhook:portal", "file:copies"
std::string delivery_step_name(DestinationKind kind, std::string_view destination);

// The ledger's key of a delivery: the same for every attempt at it.
Result<std::string> delivery_key(const NewItem& item);

// One item for each destination of each rule that matches; lanes are the patient's, at that destination.
std::vector<ChildItem> routed_children(const RouteSet& rules, const hl7::Message& message, const RouteFacts& facts,
                                       const std::map<std::string, DestinationKind>& destinations);

// One destination's step. While its breaker is open an item waits a moment and is given back; that is no attempt.
class DeliverStep : public Step {
 public:
  struct Context {
    CurrentRoutes& routes;
    EffectGuard& guard;
    Clock& clock;
  };
  DeliverStep(const Context& context, DestinationOptions options, std::unique_ptr<Deliverer> deliverer);
  StepResult run(const StepInput& input) override;
  BreakerState breaker_state() const { return breaker_.state(); }
  void reset_breaker() { breaker_.succeeded(); }

 private:
  bool allowed(const std::stop_token& stop);
  StepResult settle(const StepInput& input, const std::string& key, const DeliveryResult& result);

  Context context_;
  DestinationOptions options_;
  std::unique_ptr<Deliverer> deliverer_;
  Breaker breaker_;
};

// What `after` would change on stored messages against `before`, as JSON: for each message that would be treated
// differently, the rules that match before and after, and for each changed output the fields with their values.
class DryRun {
 public:
  DryRun(const RouteSet& before, const RouteSet& after) : before_(before), after_(after) {}
  void add(Seq seq, const hl7::Message& message, const RouteFacts& facts);
  std::string json() const;

 private:
  const RouteSet& before_;
  const RouteSet& after_;
  std::uint64_t tried_ = 0, different_ = 0, failures_ = 0;
  std::string messages_;  // JSON array elements
};

}  // namespace minato
