// From plans to the words of a mail, in Japanese or English, as text and as HTML.
//
//   MN_TRY(templates, MailTemplates::load(real_files(), rules.templates_dir));   // or MailTemplates::builtin()
//   Notice notice = make_notice(message, plan, context);                         // one for each plan of the mail
//   RenderedMail mail = render(notices, header, templates);
//
// What a mail may say is decided by the type: a notice without `detail` has nothing about the patient in it, whatever a
// template asks for, and a template that uses a patient's value outside of {{#detail}} is refused when it is loaded.
// Subjects never have details. docs/notifications.md lists the names that templates may use. Pure, but for load().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "flow/extract.h"
#include "flow/notify.h"
#include "flow/notify_template.h"
#include "os/files.h"

namespace minato {

// How a mail speaks of the house.
struct MailWords {
  std::string base_url = {};  // of the authenticated pages: <base_url>/notices/<id>
  std::string institution_en = "the hospital", institution_ja = "当院";
  int utc_offset_minutes = 540;
};

struct NoticeDetail {
  std::string patient;                   // full name, in the order of its script
  std::string patient_id;                // the identifier by which the message named the patient
  std::string ward;                      // "5W-501-1", and from where for a transfer
  std::string practitioner;              // who treats the patient
  std::vector<LocatedFinding> findings;  // mailable() ones
  std::vector<AbnormalResult> results;
};

struct Notice {
  MailPlan plan;
  std::string trigger;                 // "A04"
  Time happened{};                     // 0: not said
  std::optional<NoticeDetail> detail;  // only when the plan says Detail::kFull
};

struct NoticeContext {
  const Verification& verdict;
  const Occasion& occasion;
  const std::vector<LocatedFinding>& findings;
};
Notice make_notice(const hl7::Message& message, const MailPlan& plan, const NoticeContext& context);

// A person's name as it is written in that language's mails: "山田 太郎" (ideographic first, family first), "Steven
// Martin"; a name in kanji or kana keeps its order in English too. Empty when there is none.
std::string display_name(const std::vector<PersonName>& names, Language language);

struct RenderedMail {
  std::string subject, text, html;  // UTF-8
  std::string language;             // "ja", "en"
  std::string message_id;
};

class MailTemplates {
 public:
  static std::shared_ptr<const MailTemplates> builtin();
  // The built-in ones, each replaced by the file of its name in `directory`: subject.LANG.txt, digest-subject.LANG.txt,
  // mail.LANG.txt, mail.LANG.html, LANG being en or ja. Empty directory name: the built-in ones. kRefused: a template
  // that is wrong, or a file that is no template of ours.
  static Result<std::shared_ptr<const MailTemplates>> load(Files& files, const std::string& directory);
  // Name and source of every built-in template, to start one's own from.
  static std::vector<std::pair<std::string, std::string>> sources();

  struct Set {
    Template subject, digest_subject, text, html;
  };
  const Set& of(Language language) const { return language == Language::kJapanese ? ja_ : en_; }

 private:
  MailTemplates() = default;
  static Result<std::shared_ptr<const MailTemplates>> make(
      const std::vector<std::pair<std::string, std::string>>& sources);
  Set en_, ja_;
};

// One mail for all notices, which are for one provider; not empty. The order is that of time, urgent ones first.
RenderedMail render(const std::vector<Notice>& notices, const MailTemplates& templates, const MailWords& words,
                    const NotifyRules& rules);

}  // namespace minato
