// A step: what is done with one leased item. Steps are at-least-once: a step may run again after a kill, with the same
// input, and must come to the same children and never repeat an effect that a person would see twice (see
// effect_guard.h).
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "flow/step_records.h"
#include "store/journal/record.h"
#include "store/queue/queue.h"

namespace minato {

struct StepInput {
  const Leased& leased;
  const Entry& origin;  // the message that the item is about
  std::stop_token stop;
};

struct StepResult {
  enum class State : std::uint8_t { kDone, kSkipped, kRetry, kPark, kGiveBack };
  State state = State::kDone;
  std::string reason;            // kPark: a word of ours; kRetry: the error; kSkipped: why
  std::string detail;            // kPark: for a person, never a value out of a message
  std::optional<Time> retry_at;  // kRetry: not before; else the back-off decides
  std::vector<ChildItem> children;
  std::vector<ItemRef> also;
  std::vector<Effect> effects;  // kDone: that happened; kRetry: that did not; kPark: failed or uncertain

  static StepResult done() { return {}; }
  static StepResult skipped(std::string why);
  static StepResult retry(std::string error, std::optional<Time> at = {});
  static StepResult park(std::string reason, std::string detail = {});
  static StepResult give_back();  // stopping: nothing happened
};

class Step {
 public:
  virtual ~Step() = default;
  // Called from several threads at once.
  virtual StepResult run(const StepInput& input) = 0;
};

}  // namespace minato
