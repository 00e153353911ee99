// The first step of every message: hold it against the registry, decide who is told, and where it is passed on.
//
//   kDone      children: one "mail" item for each plan, and what the routes want delivered
//   kPark      the verification failed: nobody is told, the reason is on the dead letter; deliveries go on all the same
//   kRetry     the registry's database or the external master did not answer
#pragma once

#include <functional>
#include <memory>

#include "flow/feed_book.h"
#include "flow/notify.h"
#include "flow/step.h"
#include "flow/verify.h"
#include "os/clock.h"
#include "store/index/derived.h"

namespace minato {

inline constexpr std::string_view kMailStep = "mail";

// Deliveries of a message, as child items. Called from several threads.
using RouteMessage = std::function<Result<std::vector<ChildItem>>(const hl7::Message&, const Entry&)>;

struct ProcessOptions {
  std::shared_ptr<const FeedBook> feeds;
  NotifyRules rules;
  bool notify = true;
};

class ProcessStep : public Step {
 public:
  // `master` may be null. Everything outlives the step.
  ProcessStep(DerivedDatabase& derived, Clock& clock, PatientMaster* master, ProcessOptions options,
              RouteMessage route);
  StepResult run(const StepInput& input) override;

 private:
  StepResult tell(const hl7::Message& message);

  DerivedDatabase& derived_;
  Clock& clock_;
  PatientMaster* master_;
  ProcessOptions options_;
  RouteMessage route_;
};

}  // namespace minato
