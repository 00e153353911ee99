// Building acknowledgements (HL7 v2.5.1 sections 2.9.2, 2.13.1, 2.15.5, 2.15.8).
//
//   AckRequest request{.code = AckCode::kAR, .errors = {error_entry(Fault::kUnsupportedType)}, .control_id = "MN42",
//   .time_dtm = now}; std::string bytes = build_ack(header, request);
//
// The answer speaks the sender's dialect: its delimiters, character set (MSH-18, MSH-20), version and processing id are
// echoed, its sender becomes the receiver. It never fails, and never carries a value out of the message but those of
// MSH.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/hl7/header.h"
#include "format/hl7/path.h"
#include "format/hl7/tables.h"

namespace minato::hl7 {

// HL7 table 0516.
enum class Severity : std::uint8_t { kError, kWarning, kInformation };

struct ErrorEntry {
  std::optional<Location> where;  // ERR-2, or ERR-1 before v2.5
  ErrorCode code = ErrorCode::kApplicationInternalError;
  Severity severity = Severity::kError;
  std::string user_message;  // UTF-8, for a person; no values out of the message
};
ErrorEntry error_entry(Fault fault, std::optional<Location> where = {});

// MSH-3 and MSH-4 of ours when the message named no receiver; raw bytes without delimiters.
struct Identity {
  std::string application = "MINATO";
  std::string facility;
};

struct AckRequest {
  AckCode code = AckCode::kAA;
  std::vector<ErrorEntry> errors;
  Identity us;
  std::string time_dtm;    // MSH-7, from to_hl7_dtm
  std::string control_id;  // MSH-10 of the answer
};

// The answer's bytes: segments MSH, MSA, and ERR for each error. Without a readable MSH (a default Header): default
// delimiters, v2.5, MSA-2 empty. MSA-2 is MSH-10 byte for byte, however long. MSA-3 carries the first error's text
// before v2.4 only (deprecated since); errors are one ERR-1 before v2.5, and ERR-2, ERR-3, ERR-4, ERR-8 of an ERR each
// from v2.5 on. Warnings need ERR-4 and so v2.5.
std::string build_ack(const Header& header, const AckRequest& request);

// What an incoming answer says. Views point into the bytes.
struct Acknowledgement {
  AckCode code = AckCode::kAA;
  std::string_view control_id;  // MSA-2: of the message that it answers
  std::string_view text;        // MSA-3, raw
};
// The MSA of a message that is an answer: MSH-9 is ACK or MCF, or MSA stands among its first segments (RSP, ORR …).
// Such a message is correlated and never acknowledged (an accept acknowledgement that it asks for apart). nullopt: it
// is no answer. An answer whose MSA-1 is unknown or missing counts as AE, so that nobody takes it for a success.
std::optional<Acknowledgement> read_acknowledgement(std::string_view bytes, const Header& header);

}  // namespace minato::hl7
