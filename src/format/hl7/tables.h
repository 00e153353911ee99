// What HL7 knows: message types, trigger events, versions, processing ids and error codes of all v2 versions, and what
// we answer for each fault of ours.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "format/hl7/header.h"

namespace minato::hl7 {

// HL7 table 0008.
enum class AckCode : std::uint8_t { kAA, kAE, kAR, kCA, kCE, kCR };
std::string_view name(AckCode code);                      // "AA" …
std::optional<AckCode> ack_code_named(std::string_view);  // upper case only
bool positive(AckCode code);                              // AA, CA
// AA → CA, AE → CE, AR → CR, for an accept acknowledgement; the C codes stay.
AckCode as_accept(AckCode code);

// HL7 table 0357.
enum class ErrorCode : std::uint16_t {
  kMessageAccepted = 0,
  kSegmentSequenceError = 100,
  kRequiredFieldMissing = 101,
  kDataTypeError = 102,
  kTableValueNotFound = 103,
  kValueTooLong = 104,
  kUnsupportedMessageType = 200,
  kUnsupportedEventCode = 201,
  kUnsupportedProcessingId = 202,
  kUnsupportedVersionId = 203,
  kUnknownKeyIdentifier = 204,
  kDuplicateKeyIdentifier = 205,
  kApplicationRecordLocked = 206,
  kApplicationInternalError = 207,
};
std::string_view text(ErrorCode code);  // as the table has it: "Required field missing"

// What can be wrong with a message, in our words.
enum class Fault : std::uint8_t {
  kFraming,              // content without a start block, half a frame
  kNotHl7,               // no MSH
  kBadDelimiters,        // MSH-1, MSH-2
  kMissingMessageType,   // MSH-9
  kMissingControlId,     // MSH-10
  kMissingProcessingId,  // MSH-11
  kMissingVersion,       // MSH-12
  kUnsupportedType,
  kUnsupportedEvent,
  kUnsupportedProcessingId,
  kUnsupportedVersion,
  kTooLarge,     // the frame, or a count in it, is over a limit
  kUndecodable,  // bytes are no characters of the message's set
  kSegmentSequence,
  kMissingField,
  kBadValue,     // data type
  kUnknownCode,  // a table has not the value
  kUnknownKey,   // no such patient, order …
  kDuplicateKey,
  kNotAllowed,  // this sender may not send this
  kFull,        // disk, queue or memory: try later
  kInternal,
};
std::string_view name(Fault fault);  // "unsupported-type" …

struct FaultAnswer {
  AckCode code;  // in original mode; as_accept() of it in an accept acknowledgement
  ErrorCode error;
  std::string_view user_message;     // English
  std::string_view user_message_ja;  // Japanese, UTF-8
};
// AR for MSH-9, 11, 12 and for faults of ours, AE for content (HL7 v2.5.1 section 2.9.2.1).
const FaultAnswer& answer_for(Fault fault);

bool known_message_type(std::string_view type);    // HL7 table 0076, any v2 version
bool known_trigger_event(std::string_view event);  // HL7 table 0003, any v2 version
bool known_version(std::string_view version);      // HL7 table 0104: 2.0 … 2.9.1
bool known_processing_id(std::string_view id);     // HL7 table 0103, lower case accepted
// Larger is later; versions that nobody knows compare too ("9.9"). 0 for what is no version. 2.5.1 is 20501.
std::uint32_t version_rank(std::string_view version);

enum class Presence : std::uint8_t { kRequired, kOptional };

struct HeaderRules {
  // Asked for a message type and event that no HL7 table has (Z types, national ones): true accepts it.
  std::function<bool(std::string_view type, std::string_view event)> allow = {};
  // The same for a version that HL7 table 0104 has not.
  std::function<bool(std::string_view version)> allow_version = {};
  Presence control_id = Presence::kRequired;
  Presence processing_id = Presence::kRequired;
  Presence version = Presence::kRequired;
};

struct HeaderFault {
  Fault fault;
  std::uint32_t field;      // of MSH
  std::uint32_t component;  // 0: the whole field
};
// The first thing that is wrong with the header, in the order in which answers matter: no MSH, MSH-12, 9, 11, 10.
// nullopt: all is well.
std::optional<HeaderFault> check_header(const Header& header, const HeaderRules& rules);

}  // namespace minato::hl7
