// The answer to one message as MLLP blocks: which codes are owed, and their bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "flow/receive_judge.h"
#include "flow/receive_rules.h"
#include "format/hl7/ack.h"

namespace minato {

// In the order in which they are sent. An accept acknowledgement comes before an application acknowledgement
// (HL7 v2.5.1 section 2.9.3); when the first one says no, the second one never comes.
struct CodesOwed {
  std::optional<hl7::AckCode> first;
  std::optional<hl7::AckCode> second;
};
CodesOwed codes_owed(const Judgement& judgement, ApplicationAnswer application);

inline constexpr std::size_t kSequenceDigits = 16;
// `seq` as 16 decimal digits: what makes the answer's MSH-10 its own, and the same each time.
std::string sequence_digits(std::uint64_t seq);

struct AnswerOptions {
  const hl7::Identity* us = nullptr;
  ApplicationAnswer application = ApplicationAnswer::kSameLink;
  std::string_view time_dtm;  // MSH-7
  std::string_view digits;    // kSequenceDigits characters: MSH-10 is "MN" and these ("MA" in the second answer)
};

// The answers to one message as MLLP blocks: none, one or two.
struct AnswerWire {
  std::string bytes;
  std::array<std::uint32_t, 2> digits_at{};  // where the digits of each stand
  std::size_t count = 0;
  // Other digits in their place; kSequenceDigits characters.
  void set_digits(std::string_view digits);
};
AnswerWire answer_wire(const Judgement& judgement, const AnswerOptions& options);

// One block that answers a batch: [FHS] BHS, the answers, BTS [FTS] (HL7 v2.5.1 section 2.10.3). Carries no time and no
// id, so that a repeated batch is answered with the same bytes. Empty when no answer is owed.
enum class Envelope : std::uint8_t { kBatch, kFile };
std::string batch_wire(std::span<const AnswerWire> answers, Envelope envelope, const hl7::Identity& us);

}  // namespace minato
