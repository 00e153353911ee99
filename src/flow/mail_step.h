// Sends what process_step planned: one mail, or one digest that carries all plans of its key which are due. The message
// is read, verified and rendered again when it is sent, so that what leaves is what the registry says now; if it no
// longer verifies, nothing leaves.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "flow/effect_guard.h"
#include "flow/feed_book.h"
#include "flow/notify.h"
#include "flow/notify_render.h"
#include "flow/step.h"
#include "language/extractor.h"
#include "os/mail.h"
#include "store/queue/queue.h"

namespace minato {

struct MailOptions {
  MailAddress from;
  MailWords words;
  NotifyRules rules;
  OnUncertain on_uncertain = OnUncertain::kPark;
};

struct MailContext {
  Journal& journal;
  DerivedDatabase& derived;
  Queue& queue;
  Clock& clock;
  MailSender& sender;
  PatientMaster* master;  // may be null
  std::shared_ptr<const FeedBook> feeds;
  std::shared_ptr<const MailTemplates> templates;
  std::shared_ptr<const language::Extractor> extractor;
};

class MailStep : public Step {
 public:
  MailStep(MailContext context, MailOptions options);
  StepResult run(const StepInput& input) override;

  // The page behind a mail's link, as HTML with all details: whoever may open it sees them, whatever the mail was
  // allowed to carry. kNotFound: no mail had this id. kRefused: the message does not verify any more, or its patient
  // wants nobody told.
  Result<std::string> page(std::string_view notice_id);

 private:
  // One plan and the message that it is about.
  struct Part {
    ItemRef item;
    MailPlan plan;
    std::optional<Notice> notice;  // empty: it must not leave any more; `why` says so
    std::string why;
  };
  Result<std::vector<Part>> collect(const StepInput& input, const MailPlan& plan);
  enum class Shown : std::uint8_t { kAsProviderWants, kAll };
  Status prepare(Part& part, Shown shown);
  StepResult send(const StepInput& input, std::vector<Part> parts);
  StepResult settle(const MailResult& result, const StepInput& input, const std::vector<Part>& parts) const;
  std::vector<Effect> effects_of(const std::vector<Part>& parts, EffectState state, std::string detail) const;
  Result<Provider> provider(ProviderId id) const;

  MailContext context_;
  MailOptions options_;
  EffectGuard guard_;
};

}  // namespace minato
