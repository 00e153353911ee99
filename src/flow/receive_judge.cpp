#include "flow/receive_judge.h"

#include <algorithm>

#include "format/hl7/escape.h"

namespace minato {
namespace {

hl7::Fault fault_of(mllp::EventKind kind) {
  switch (kind) {
    case mllp::EventKind::kEmptyFrame:
      return hl7::Fault::kNotHl7;
    case mllp::EventKind::kOversize:
      return hl7::Fault::kTooLarge;
    default:
      return hl7::Fault::kFraming;
  }
}

std::string decoded(const hl7::Header& header, std::string_view raw) {
  const char escape = header.delimiters.escape;
  const bool escaped = escape != 0 && raw.find(escape) != std::string_view::npos;
  if (!escaped && charset::plain_ascii(raw)) return std::string(raw);
  return hl7::decode_text(raw, {.delimiters = header.delimiters, .encoding = header.charset.used});
}

// Without an MSH the fault is that; with one, its delimiters.
hl7::Fault unreadable(std::string_view bytes) {
  const std::size_t msh = bytes.find("MSH");
  const bool at_front = msh != std::string_view::npos && bytes.find_first_of("\r\n") >= msh;
  return at_front ? hl7::Fault::kBadDelimiters : hl7::Fault::kNotHl7;
}

hl7::Location msh_location(const hl7::Header& header, std::string_view bytes, std::uint32_t field) {
  hl7::Location where{.segment_id = "MSH", .field = field, .offset = header.offset};
  const bool kept = field < hl7::Header::kFieldsMax && !header.fields[field].empty();
  if (kept) where.offset = static_cast<std::size_t>(header.fields[field].data() - bytes.data());
  return where;
}

// True when there is a header to go on with; otherwise the fault is set.
bool read_header(std::string_view bytes, const ListenerRules& rules, Judgement& judgement) {
  auto header = hl7::peek_header(bytes, {.undeclared_default = rules.undeclared_default});
  if (!header) {
    judgement.fault = FaultFound{.fault = unreadable(bytes), .where = std::nullopt};
    return false;
  }
  judgement.header = std::move(*header);
  judgement.plan = hl7::ack_plan(judgement.header);
  judgement.sender = {.application = decoded(judgement.header, judgement.header.component(3, 1)),
                      .facility = decoded(judgement.header, judgement.header.component(4, 1))};
  return true;
}

std::string charset_note(charset::Warning warning, charset::Encoding used) {
  const std::string read_as(charset::name(used));
  switch (warning) {
    case charset::Warning::kUndeclared:
      return "MSH-18 is empty, but the text is not ASCII; it is read as " + read_as;
    case charset::Warning::kUnknownName:
      return "MSH-18 names no known character set; the text is read as " + read_as;
    case charset::Warning::kContradicted:
      return "The text is not in the character set of MSH-18; it is read as " + read_as;
    default:
      return "Some bytes are no characters of " + read_as;
  }
}

void judge_charset(std::string_view bytes, const ListenerRules& rules, Judgement& judgement) {
  const charset::CharsetFinding& finding = judgement.header.charset;
  if (finding.warning == charset::Warning::kNone) return;
  const hl7::Location where = msh_location(judgement.header, bytes, 18);
  const bool unfit =
      finding.warning == charset::Warning::kInvalidBytes || finding.warning == charset::Warning::kContradicted;
  if (unfit && rules.invalid_text == InvalidText::kRefuse) {
    judgement.fault = FaultFound{.fault = hl7::Fault::kUndecodable, .where = where};
    return;
  }
  judgement.warnings.emplace_back(charset::name(finding.warning));
  judgement.notes.push_back({.where = where,
                             .code = hl7::ErrorCode::kDataTypeError,
                             .severity = hl7::Severity::kWarning,
                             .user_message = charset_note(finding.warning, finding.used)});
}

void judge_sender(std::string_view bytes, const ListenerRules& rules, Judgement& judgement) {
  if (rules.senders_allowed.empty()) return;
  const bool allowed = std::ranges::any_of(rules.senders_allowed,
                                           [&](const SenderName& rule) { return matches(rule, judgement.sender); });
  if (!allowed) judgement.fault = FaultFound{hl7::Fault::kNotAllowed, msh_location(judgement.header, bytes, 3)};
}

void judge_header(std::string_view bytes, const ListenerRules& rules, Judgement& judgement) {
  const auto fault = hl7::check_header(judgement.header, rules.header);
  if (!fault) return;
  hl7::Location where = msh_location(judgement.header, bytes, fault->field);
  where.component = fault->component;
  judgement.fault = FaultFound{fault->fault, std::move(where)};
}

}  // namespace

bool matches(const SenderName& rule, const SenderName& sender) {
  return (rule.application.empty() || rule.application == sender.application) &&
         (rule.facility.empty() || rule.facility == sender.facility);
}

Judgement judge_message(std::string_view bytes, const ListenerRules& rules) {
  Judgement judgement;
  if (!read_header(bytes, rules, judgement)) return judgement;
  judgement.acknowledges = hl7::read_acknowledgement(bytes, judgement.header);
  judge_sender(bytes, rules, judgement);
  if (judgement.fault) return judgement;
  // An answer is taken as it is: refusing it would be answering it.
  if (!judgement.acknowledges) judge_header(bytes, rules, judgement);
  if (!judgement.fault) judge_charset(bytes, rules, judgement);
  return judgement;
}

Judgement judge_broken(mllp::EventKind kind, std::string_view bytes, const ListenerRules& rules) {
  return judge_as(fault_of(kind), bytes, rules);
}

Judgement judge_as(hl7::Fault fault, std::string_view bytes, const ListenerRules& rules) {
  Judgement judgement;
  read_header(bytes, rules, judgement);
  judgement.fault = FaultFound{fault, std::nullopt};
  return judgement;
}

}  // namespace minato
