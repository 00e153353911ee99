// Effects that a person would see twice if they were repeated: asked before, announced before, and never repeated
// blindly.
//
//   MN_TRY(before, guard.ask(plan.key));
//   if (before == EffectGuard::Before::kDone) return StepResult::skipped("told already");
//   if (before == EffectGuard::Before::kUncertain) …park, or repeat when the site says so…
//   MN_CHECK(guard.intend(leased, {effect}));       // durable before the effect leaves
//
// Why this is enough: a worker of the same process finishes its intent with an outcome in one go; another worker gets
// the item only when the first one is dead, and runs it only after everything in the journal is applied (worker.h). So
// an intent without an outcome is seen by whoever comes next. Thread-safe.
#pragma once

#include <vector>

#include "flow/step.h"
#include "os/clock.h"
#include "record/effects.h"
#include "store/index/derived.h"
#include "store/journal/journal.h"

namespace minato {

enum class OnUncertain : std::uint8_t { kPark, kRepeat };

class EffectGuard {
 public:
  enum class Before : std::uint8_t {
    kNothing,  // never tried, surely failed, or a person decided that it may be repeated
    kDone,
    kUncertain,  // an intent without an outcome: it may have happened
  };

  EffectGuard(Journal& journal, DerivedDatabase& derived, Clock& clock)
      : journal_(journal), derived_(derived), clock_(clock) {}

  Result<Before> ask(std::string_view key) const;
  // One record each, durable when it returns. kConflict: the lease was lost, nothing may leave.
  Status intend(const Leased& leased, const std::vector<Effect>& effects);

 private:
  Journal& journal_;
  DerivedDatabase& derived_;
  Clock& clock_;
};

}  // namespace minato
