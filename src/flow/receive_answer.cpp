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

AnswerWire answer_wire(const Judgement& judgement, const AnswerOptions& options) {
  const CodesOwed owed = codes_owed(judgement, options.application);
  AnswerWire wire;
  const auto add = [&](hl7::AckCode code, std::string_view prefix) {
    std::string text = answer_text(judgement, code, std::string(prefix).append(options.digits), options);
    text.insert(text.begin(), mllp::kStartBlock);
    text.push_back(mllp::kEndBlock);
    text.push_back(mllp::kCarriageReturn);
    wire.digits_at[wire.count++] = static_cast<std::uint32_t>(wire.bytes.size() + text.find(options.digits));
    if (wire.bytes.empty()) {
      wire.bytes = std::move(text);
    } else {
      wire.bytes += text;
    }
  };
  if (owed.first) add(*owed.first, "MN");
  if (owed.second) add(*owed.second, "MA");
  return wire;
}

void AnswerWire::set_digits(std::string_view digits) {
  for (std::size_t i = 0; i < count; ++i) bytes.replace(digits_at[i], digits.size(), digits);
}

std::string batch_wire(std::span<const AnswerWire> answers, Envelope envelope, const hl7::Identity& us) {
  const std::string names = "|^~\\&|" + us.application + "|" + us.facility + "\r";
  std::string text = envelope == Envelope::kFile ? "FHS" + names : "";
  text += "BHS" + names;
  std::size_t count = 0;
  for (const AnswerWire& answer : answers) {
    count += answer.count;
    for (const char c : answer.bytes) {  // without the frames: SB, and FS with the CR behind it
      const bool frame_end = text.ends_with(mllp::kEndBlock);
      if (frame_end) text.pop_back();
      if (c != mllp::kStartBlock && !frame_end) text.push_back(c);
    }
  }
  if (count == 0) return {};  // every message asked for silence
  text += "BTS|" + std::to_string(count) + "\r";
  if (envelope == Envelope::kFile) text += "FTS|1\r";
  return mllp::encode_frame(text);
}

}  // namespace minato
