#include "flow/process_step.h"

#include <utility>

namespace minato {
namespace {

constexpr auto kReadWait = std::chrono::seconds(10);

ChildItem mail_item(const MailPlan& plan, Time now) {
  ChildItem child;
  child.step = kMailStep;
  const std::string key = plan.digest_key.empty() ? std::to_string(plan.provider.value) : plan.digest_key;
  child.lanes = {std::string(kMailStep) + "|" + key};
  child.args = plan_json(plan);
  if (plan.not_before > now) child.not_before = plan.not_before;
  return child;
}

// What stands on the outcome: whom nobody wrote to, and why. Words of ours only.
std::string note_of(const Decision& decision) {
  std::string out;
  for (const auto& [provider, why] : decision.withheld) {
    out += (out.empty() ? "not told: provider " : ", provider ") + std::to_string(provider.value) + " " +
           std::string(name(why));
  }
  return out;
}

}  // namespace

ProcessStep::ProcessStep(DerivedDatabase& derived, Clock& clock, PatientMaster* master, ProcessOptions options,
                         RouteMessage route)
    : derived_(derived), clock_(clock), master_(master), options_(std::move(options)), route_(std::move(route)) {}

StepResult ProcessStep::run(const StepInput& input) {
  const auto message = hl7::Message::view(input.origin.record.body);
  if (!message) return StepResult::park("unreadable", message.error().what);
  auto deliveries = route_(*message, input.origin);
  if (!deliveries) {
    return deliveries.error().code == Errc::kRefused ? StepResult::park("route-failed", deliveries.error().what)
                                                     : StepResult::retry("route: " + deliveries.error().what);
  }
  StepResult out = tell(*message);
  if (out.state == StepResult::State::kDone || out.state == StepResult::State::kPark) {
    std::ranges::move(*deliveries, std::back_inserter(out.children));
  }
  return out;
}

StepResult ProcessStep::tell(const hl7::Message& message) {
  auto reader = derived_.reader(std::chrono::steady_clock::now() + kReadWait);
  if (!reader) return StepResult::retry("registry: " + reader.error().what);
  PatientRegistry patients(reader->database());
  ProviderRegistry providers(reader->database());
  const VerifyViews views{patients, providers, master_};
  VerifyOptions verify_options;
  verify_options.feed = options_.feeds->rules_of(message);
  const auto verdict = verify(message, views, verify_options);
  if (!verdict) return StepResult::retry("verify: " + verdict.error().what);
  if (verdict->kind == VerdictKind::kRejected) {
    return StepResult::park(std::string(name(verdict->rejection)), explain(*verdict));
  }
  if (verdict->kind == VerdictKind::kNoPatient || !options_.notify) return StepResult::done();
  const auto occasion = occasion_of(message, options_.rules);
  if (!occasion) return StepResult::done();
  const auto recipients = recipients_of(*verdict, views, options_.rules);
  if (!recipients) return StepResult::retry("recipients: " + recipients.error().what);
  const Time now = clock_.now();
  const Decision decision = decide(*occasion, {*verdict, *recipients, now}, options_.rules);
  StepResult out = StepResult::done();
  out.reason = note_of(decision);
  for (const MailPlan& plan : decision.plans) out.children.push_back(mail_item(plan, now));
  return out;
}

}  // namespace minato
