// Several messages in one frame or file: the batch protocol (HL7 v2.5.1 section 2.10.3) and its informal form, one MSH
// after another.
//
//   [FHS] { [BHS] { MSH … } [BTS] } [FTS]
//
//   Batch batch = split_batch(bytes);
//   for (std::string_view message : batch.messages) …
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace minato::hl7 {

enum class BatchKind : std::uint8_t {
  kSingle,   // one message, no batch segments: `messages` holds all the bytes
  kSeveral,  // several messages, no batch segments
  kBatch,    // BHS or BTS
  kFile,     // FHS or FTS
};

enum class BatchProblem : std::uint8_t {
  kNoMessages,
  kMessageCountDiffers,  // BTS-1 against the messages since BHS
  kBatchCountDiffers,    // FTS-1 against the batches
  kTrailerMissing,       // FHS without FTS, BHS without BTS
  kHeaderMissing,        // FTS without FHS, BTS without BHS
  kStrayContent,         // segments outside any message
  kTooManyMessages,      // over kHl7BatchMessagesMax: the rest is not split
};
std::string_view name(BatchProblem problem);

// Views point into the bytes; a message's view ends before the next MSH or batch segment, with its last terminator.
struct Batch {
  BatchKind kind = BatchKind::kSingle;
  std::string_view file_header;                 // FHS, without its terminator; empty: none
  std::vector<std::string_view> batch_headers;  // each BHS
  std::vector<std::string_view> messages;
  std::vector<BatchProblem> problems;  // each at most once
};

// Never fails: what cannot be understood is in `problems`, and bytes before any segment are left to the parser. Works
// on the bytes: segment starts are unambiguous in every encoding that MLLP carries.
Batch split_batch(std::string_view bytes);

}  // namespace minato::hl7
