#include "flow/receive_answer.h"

namespace minato {
namespace {

// What we answer: AA, or what the fault deserves.
hl7::AckCode code_of(const Judgement& judgement) {
  return judgement.fault ? hl7::answer_for(judgement.fault->fault).code : hl7::AckCode::kAA;
}

std::string answer_text(const Judgement& judgement, hl7::AckCode code, std::string control_id,
                        const AnswerOptions& options) {
  hl7::AckRequest request{.code = code,
                          .errors = {},
                          .us = *options.us,
                          .time_dtm = std::string(options.time_dtm),
                          .control_id = std::move(control_id)};
  if (judgement.fault) request.errors.push_back(hl7::error_entry(judgement.fault->fault, judgement.fault->where));
  request.errors.insert(request.errors.end(), judgement.notes.begin(), judgement.notes.end());
  return hl7::build_ack(judgement.header, request);
}

}  // namespace

CodesOwed codes_owed(const Judgement& judgement, ApplicationAnswer application) {
  const hl7::AckCode code = code_of(judgement);
  const hl7::Outcome outcome = hl7::positive(code) ? hl7::Outcome::kSuccess : hl7::Outcome::kError;
  const bool accept = hl7::wanted(judgement.plan.accept, outcome);
  const bool applied = hl7::wanted(judgement.plan.application, outcome) && !judgement.acknowledges;
  if (judgement.acknowledges && (judgement.fault || judgement.plan.mode == hl7::AckMode::kOriginal)) return {};
  if (!accept) return {.first = applied ? std::optional(code) : std::nullopt, .second = std::nullopt};
  CodesOwed owed{.first = hl7::as_accept(code), .second = std::nullopt};
  if (applied && hl7::positive(code) && application == ApplicationAnswer::kSameLink) owed.second = code;
  return owed;
}

std::string sequence_digits(std::uint64_t seq) {
  std::string digits(kSequenceDigits, '0');
  for (std::size_t i = kSequenceDigits; i > 0 && seq > 0; seq /= 10) digits[--i] = static_cast<char>('0' + seq % 10);
  return digits;
}

AnswerTexts answer_texts(const Judgement& judgement, const AnswerOptions& options) {
  const CodesOwed owed = codes_owed(judgement, options.application);
  AnswerTexts answers;
  if (owed.first) {
    answers.texts[answers.count++] = answer_text(judgement, *owed.first, "MN" + std::string(options.digits), options);
  }
  if (owed.second) {
    answers.texts[answers.count++] = answer_text(judgement, *owed.second, "MA" + std::string(options.digits), options);
  }
  return answers;
}

std::string framed(const AnswerTexts& answers) {
  std::string wire;
  for (std::size_t i = 0; i < answers.count; ++i) wire += mllp::encode_frame(answers.texts[i]);
  return wire;
}

std::string batch_wire(std::span<const AnswerTexts> answers, Envelope envelope, const hl7::Identity& us) {
  const std::string names = "|^~\\&|" + us.application + "|" + us.facility + "\r";
  std::string text = envelope == Envelope::kFile ? "FHS" + names : "";
  text += "BHS" + names;
  std::size_t count = 0;
  for (const AnswerTexts& answer : answers) {
    for (std::size_t i = 0; i < answer.count; ++i, ++count) text += answer.texts[i];
  }
  if (count == 0) return {};  // every message asked for silence
  text += "BTS|" + std::to_string(count) + "\r";
  if (envelope == Envelope::kFile) text += "FTS|1\r";
  return mllp::encode_frame(text);
}

void AnswerTexts::overwrite(std::string_view from, std::string_view to) {
  for (std::size_t i = 0; i < count; ++i) {
    std::string& text = texts[i];
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + from.size())) {
      text.replace(at, from.size(), to);
    }
  }
}

}  // namespace minato
