// Any message through what happens after verification: extraction, occasion, plan and both mails. Nothing crashes, a
// mail without detail does not depend on who the patient is, and a plan's JSON reads back.
// links: minato_flow
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "flow/extract.h"
#include "flow/notify.h"
#include "flow/notify_render.h"
#include "language/dictionary.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minato;
  const auto message = hl7::Message::view({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  NotifyRules rules;
  rules.updates = UpdateRule::kNotify;
  const auto occasion = occasion_of(*message, rules);
  const Extraction found = extract_findings(*message, *language::builtin_dictionary());
  if (!occasion) return 0;
  Verification verdict;
  verdict.kind = VerdictKind::kVerified;
  verdict.identifier = {"HOSP", "1"};
  verdict.demographics.names = std::vector<PersonName>{{"SECRETFAMILY", "SECRETGIVEN", "", "", "L"}};
  Recipient recipient;
  recipient.provider.id = ProviderId{1};
  recipient.provider.mails = {"a@example.org"};
  for (const Detail detail : {Detail::kLinkOnly, Detail::kFull}) {
    recipient.provider.detail = detail;
    const Decision decision = decide(*occasion, {verdict, {recipient}, Time{}}, rules);
    if (decision.plans.size() != 1) std::abort();
    const auto back = parse_plan_json(plan_json(decision.plans[0]));
    if (!back || !(*back == decision.plans[0])) std::abort();
    const Notice notice = make_notice(*message, decision.plans[0], {verdict, *occasion, found.findings});
    const RenderedMail mail = render({notice}, *MailTemplates::builtin(), {}, rules);
    const bool named = (mail.subject + mail.text + mail.html).find("SECRET") != std::string::npos;
    if (named != (detail == Detail::kFull)) std::abort();
    if (mail.subject.find('\n') != std::string::npos || mail.html.find("<script") != std::string::npos) std::abort();
  }
  return 0;
}
