#include "format/hl7/tables.h"

#include <algorithm>
#include <array>

namespace minato::hl7 {
namespace {

// HL7 table 0076, all of v2.1 to v2.9; sorted.
constexpr std::array kMessageTypes = std::to_array<std::string_view>({
    "ACK", "ADR", "ADT", "ARD", "BAR", "BPS", "BRP", "BRT", "BTS", "CCF", "CCI", "CCM", "CCQ", "CCR", "CCU",
    "CNQ", "CQU", "CRM", "CSU", "DBC", "DBU", "DEL", "DEO", "DER", "DFT", "DOC", "DPR", "DRC", "DRG", "DSR",
    "EAC", "EAN", "EAR", "EDR", "EHC", "EQQ", "ERP", "ESR", "ESU", "INR", "INU", "LSR", "LSU", "MCF", "MDM",
    "MFD", "MFK", "MFN", "MFQ", "MFR", "NMD", "NMQ", "NMR", "OMB", "OMD", "OMG", "OMI", "OML", "OMN", "OMP",
    "OMQ", "OMS", "OPL", "OPR", "OPU", "ORA", "ORB", "ORD", "ORF", "ORG", "ORI", "ORL", "ORM", "ORN", "ORP",
    "ORR", "ORS", "ORU", "ORX", "OSM", "OSQ", "OSR", "OSU", "OUL", "PEX", "PGL", "PIN", "PMU", "PPG", "PPP",
    "PPR", "PPT", "PPV", "PRR", "PTR", "QBP", "QCK", "QCN", "QRF", "QRY", "QSB", "QSX", "QVR", "RAR", "RAS",
    "RCI", "RCL", "RCR", "RDE", "RDO", "RDR", "RDS", "RDY", "REF", "RER", "RGR", "RGV", "ROR", "RPA", "RPI",
    "RPL", "RPR", "RQA", "RQC", "RQI", "RQP", "RQQ", "RRA", "RRD", "RRE", "RRG", "RRI", "RRO", "RSP", "RTB",
    "SCN", "SDN", "SDR", "SIU", "SLN", "SLR", "SMD", "SPQ", "SQM", "SQR", "SRM", "SRR", "SSR", "SSU", "STC",
    "STI", "SUR", "TBR", "TCR", "TCU", "UDF", "UDM", "VQQ", "VTQ", "VXQ", "VXR", "VXU", "VXX",
});

// HL7 table 0003, all of v2.1 to v2.9: a prefix and a range of two-digit numbers.
struct EventRange {
  std::string_view prefix;
  int first;
  int last;
};
constexpr std::array kEventRanges = std::to_array<EventRange>({
    {"A", 1, 55},  {"A", 60, 62}, {"B", 1, 9},   {"C", 1, 12},  {"E", 1, 4},   {"E", 10, 10},
    {"E", 12, 13}, {"E", 15, 15}, {"E", 20, 24}, {"E", 30, 31}, {"I", 1, 22},  {"J", 1, 2},
    {"K", 11, 11}, {"K", 13, 13}, {"K", 15, 15}, {"K", 21, 25}, {"K", 31, 34}, {"M", 1, 18},
    {"N", 1, 2},   {"O", 1, 59},  {"P", 1, 12},  {"Q", 1, 6},   {"Q", 8, 9},   {"Q", 11, 11},
    {"Q", 13, 13}, {"Q", 15, 17}, {"Q", 21, 33}, {"R", 1, 9},   {"R", 21, 26}, {"R", 30, 33},
    {"R", 40, 44}, {"S", 1, 37},  {"T", 1, 12},  {"U", 1, 14},  {"V", 1, 4},   {"W", 1, 2},
});
// Patient care (chapter 12): a letter or digit after PC.
constexpr std::string_view kPatientCareEvents = "123456789ABCDEFGHJKL";

constexpr std::array kVersions = std::to_array<std::string_view>({
    "2.0", "2.0D", "2.1",   "2.2",   "2.3", "2.3.1", "2.3.2", "2.4", "2.5",   "2.5.1",
    "2.6", "2.7",  "2.7.1", "2.7.2", "2.8", "2.8.1", "2.8.2", "2.9", "2.9.1",
});

struct FaultRow {
  std::string_view name;
  FaultAnswer answer;
};
constexpr auto kAE = AckCode::kAE;
constexpr auto kAR = AckCode::kAR;
// In the order of Fault.
constexpr std::array kFaults = std::to_array<FaultRow>({
    {"framing",
     {kAR, ErrorCode::kSegmentSequenceError, "The block is not framed as MLLP demands", "MLLPの枠が正しくありません"}},
    {"not-hl7",
     {kAR, ErrorCode::kSegmentSequenceError, "No MSH segment at the start", "先頭にMSHセグメントがありません"}},
    {"bad-delimiters",
     {kAR, ErrorCode::kSegmentSequenceError, "MSH-1 and MSH-2 are not usable as delimiters",
      "MSH-1とMSH-2を区切り文字として使えません"}},
    {"missing-message-type", {kAR, ErrorCode::kRequiredFieldMissing, "MSH-9 is missing", "MSH-9がありません"}},
    {"missing-control-id", {kAE, ErrorCode::kRequiredFieldMissing, "MSH-10 is missing", "MSH-10がありません"}},
    {"missing-processing-id", {kAR, ErrorCode::kRequiredFieldMissing, "MSH-11 is missing", "MSH-11がありません"}},
    {"missing-version", {kAR, ErrorCode::kRequiredFieldMissing, "MSH-12 is missing", "MSH-12がありません"}},
    {"unsupported-type",
     {kAR, ErrorCode::kUnsupportedMessageType, "This message type is not accepted here",
      "このメッセージ型は受け付けません"}},
    {"unsupported-event",
     {kAR, ErrorCode::kUnsupportedEventCode, "This trigger event is not accepted here",
      "このトリガイベントは受け付けません"}},
    {"unsupported-processing-id",
     {kAR, ErrorCode::kUnsupportedProcessingId, "This processing id is not accepted here",
      "この処理IDは受け付けません"}},
    {"unsupported-version",
     {kAR, ErrorCode::kUnsupportedVersionId, "This HL7 version is not accepted here",
      "このHL7バージョンは受け付けません"}},
    {"too-large",
     {kAR, ErrorCode::kApplicationInternalError, "The message is larger than is accepted here",
      "メッセージが大きすぎます"}},
    {"undecodable",
     {kAE, ErrorCode::kDataTypeError, "Bytes are no characters of the message's character set",
      "文字集合にない文字コードが含まれています"}},
    {"segment-sequence",
     {kAE, ErrorCode::kSegmentSequenceError, "A segment is missing or out of order",
      "セグメントの順序が正しくないか不足しています"}},
    {"missing-field",
     {kAE, ErrorCode::kRequiredFieldMissing, "A required field is missing", "必須フィールドがありません"}},
    {"bad-value", {kAE, ErrorCode::kDataTypeError, "A value is not of its data type", "値がデータ型に合いません"}},
    {"unknown-code",
     {kAE, ErrorCode::kTableValueNotFound, "A code is not in its table", "コードがテーブルにありません"}},
    {"unknown-key",
     {kAE, ErrorCode::kUnknownKeyIdentifier, "The identifier is not known here", "IDが登録されていません"}},
    {"duplicate-key",
     {kAE, ErrorCode::kDuplicateKeyIdentifier, "The identifier exists already", "IDはすでに登録されています"}},
    {"not-allowed",
     {kAR, ErrorCode::kApplicationInternalError, "This sender may not send this", "この送信元からは受け付けません"}},
    {"full",
     {kAR, ErrorCode::kApplicationInternalError, "No room now; send it again later",
      "現在受け付けられません。後で再送してください"}},
    {"internal",
     {kAR, ErrorCode::kApplicationInternalError, "A fault of the receiver; send it again later",
      "受信側の障害です。後で再送してください"}},
});
static_assert(kFaults.size() == static_cast<std::size_t>(Fault::kInternal) + 1);

constexpr std::array kAckNames = std::to_array<std::string_view>({"AA", "AE", "AR", "CA", "CE", "CR"});

bool in_range(const EventRange& range, std::string_view event) {
  if (!event.starts_with(range.prefix) || event.size() != range.prefix.size() + 2) return false;
  const char tens = event[event.size() - 2];
  const char ones = event[event.size() - 1];
  if (tens < '0' || tens > '9' || ones < '0' || ones > '9') return false;
  const int number = (tens - '0') * 10 + (ones - '0');
  return number >= range.first && number <= range.last;
}

bool is_answer_type(std::string_view type) { return type == "ACK" || type == "MCF"; }

// MSH-9.2 was optional before v2.3 and never meant anything in a general acknowledgement.
bool may_lack_event(const Header& header) {
  const std::uint32_t rank = version_rank(header.version());
  return is_answer_type(header.message_type()) || (rank != 0 && rank < 20300);
}

std::optional<HeaderFault> check_type(const Header& header, const HeaderRules& rules) {
  const std::string_view type = header.message_type();
  const std::string_view event = header.trigger_event();
  if (type.empty()) return HeaderFault{Fault::kMissingMessageType, 9, 0};
  const bool known_type = known_message_type(type);
  const bool known_event = event.empty() ? may_lack_event(header) : known_trigger_event(event);
  if (known_type && known_event) return std::nullopt;
  if (rules.allow && rules.allow(type, event)) return std::nullopt;
  if (!known_type) return HeaderFault{Fault::kUnsupportedType, 9, 1};
  return HeaderFault{Fault::kUnsupportedEvent, 9, 2};
}

}  // namespace

std::string_view name(AckCode code) { return kAckNames[static_cast<std::size_t>(code)]; }

std::optional<AckCode> ack_code_named(std::string_view text) {
  const auto found = std::ranges::find(kAckNames, text);
  if (found == kAckNames.end()) return std::nullopt;
  return static_cast<AckCode>(found - kAckNames.begin());
}

bool positive(AckCode code) { return code == AckCode::kAA || code == AckCode::kCA; }

AckCode as_accept(AckCode code) {
  switch (code) {
    case AckCode::kAA:
      return AckCode::kCA;
    case AckCode::kAE:
      return AckCode::kCE;
    case AckCode::kAR:
      return AckCode::kCR;
    default:
      return code;
  }
}

std::string_view text(ErrorCode code) {
  switch (code) {
    case ErrorCode::kMessageAccepted:
      return "Message accepted";
    case ErrorCode::kSegmentSequenceError:
      return "Segment sequence error";
    case ErrorCode::kRequiredFieldMissing:
      return "Required field missing";
    case ErrorCode::kDataTypeError:
      return "Data type error";
    case ErrorCode::kTableValueNotFound:
      return "Table value not found";
    case ErrorCode::kValueTooLong:
      return "Value too long";
    case ErrorCode::kUnsupportedMessageType:
      return "Unsupported message type";
    case ErrorCode::kUnsupportedEventCode:
      return "Unsupported event code";
    case ErrorCode::kUnsupportedProcessingId:
      return "Unsupported processing id";
    case ErrorCode::kUnsupportedVersionId:
      return "Unsupported version id";
    case ErrorCode::kUnknownKeyIdentifier:
      return "Unknown key identifier";
    case ErrorCode::kDuplicateKeyIdentifier:
      return "Duplicate key identifier";
    case ErrorCode::kApplicationRecordLocked:
      return "Application record locked";
    case ErrorCode::kApplicationInternalError:
      return "Application internal error";
  }
  return "Application internal error";
}

std::string_view name(Fault fault) { return kFaults[static_cast<std::size_t>(fault)].name; }
const FaultAnswer& answer_for(Fault fault) { return kFaults[static_cast<std::size_t>(fault)].answer; }

bool known_message_type(std::string_view type) { return std::ranges::binary_search(kMessageTypes, type); }

bool known_trigger_event(std::string_view event) {
  if (event == "ROR" || event == "Varies") return true;
  if (event.size() == 3 && event.starts_with("PC")) return kPatientCareEvents.contains(event[2]);
  return std::ranges::any_of(kEventRanges, [&](const EventRange& range) { return in_range(range, event); });
}

bool known_version(std::string_view version) { return std::ranges::find(kVersions, version) != kVersions.end(); }

bool known_processing_id(std::string_view id) { return id.size() == 1 && std::string_view("PDTNpdtn").contains(id[0]); }

std::uint32_t version_rank(std::string_view version) {
  std::array<std::uint32_t, 3> parts{};
  std::size_t part = 0;
  bool digits = false;
  for (const char c : version) {
    if (c >= '0' && c <= '9') {
      parts[part] = std::min<std::uint32_t>(parts[part] * 10 + static_cast<std::uint32_t>(c - '0'), 99);
      digits = true;
    } else if (c == '.' && digits && part < 2) {
      ++part;
      digits = false;
    } else if (part == 0) {
      return 0;
    } else {
      break;  // "2.0D"
    }
  }
  return parts[0] * 10000 + parts[1] * 100 + parts[2];
}

std::optional<HeaderFault> check_header(const Header& header, const HeaderRules& rules) {
  if (!header.present) return HeaderFault{Fault::kNotHl7, 0, 0};
  if (header.version().empty() && rules.version == Presence::kRequired)
    return HeaderFault{Fault::kMissingVersion, 12, 0};
  const bool version_allowed = header.version().empty() || known_version(header.version()) ||
                               (rules.allow_version && rules.allow_version(header.version()));
  if (!version_allowed) return HeaderFault{Fault::kUnsupportedVersion, 12, 1};
  if (const auto fault = check_type(header, rules)) return fault;
  if (header.processing_id().empty()) {
    if (rules.processing_id == Presence::kRequired) return HeaderFault{Fault::kMissingProcessingId, 11, 0};
  } else if (!known_processing_id(header.processing_id())) {
    return HeaderFault{Fault::kUnsupportedProcessingId, 11, 1};
  }
  if (header.control_id().empty() && rules.control_id == Presence::kRequired) {
    return HeaderFault{Fault::kMissingControlId, 10, 0};
  }
  return std::nullopt;
}

}  // namespace minato::hl7
