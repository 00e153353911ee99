#include "format/hl7/ack.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "format/hl7/escape.h"
#include "format/hl7/lines.h"

namespace minato::hl7 {
namespace {

// Versions at which answers change their form.
constexpr std::uint32_t kV23 = 20300;
constexpr std::uint32_t kV231 = 20301;
constexpr std::uint32_t kV24 = 20400;
constexpr std::uint32_t kV25 = 20500;

// Segments that may stand between MSH and MSA.
constexpr std::array kBeforeMsa = std::to_array<std::string_view>({"SFT", "UAC", "ARV", "NTE"});

std::uint32_t rank_of(const Header& header) {
  const std::uint32_t rank = version_rank(header.version());
  return rank == 0 ? kV25 : rank;
}

// The set in which texts of ours are safe: a sender whose MSH-18 is not to be trusted gets ASCII.
charset::Encoding text_encoding(const Header& header) {
  const charset::Warning warning = header.charset.warning;
  const bool clear = warning == charset::Warning::kNone || warning == charset::Warning::kUndeclared;
  return clear ? header.charset.used : charset::Encoding::kAscii;
}

std::string_view echoed(std::string_view field) {
  return field.size() <= kHl7EchoedFieldBytesMax ? field : std::string_view{};
}

// Writes one answer, with the delimiters of the message that it answers.
class AckWriter {
 public:
  AckWriter(const Header& header, const AckRequest& request)
      : header_(header), request_(request), d_(header.delimiters), rank_(rank_of(header)) {}

  std::string run() {
    out_.reserve(256 + request_.errors.size() * 128);
    msh();
    msa();
    if (rank_ >= kV25) {
      for (const ErrorEntry& error : request_.errors) err(error);
    } else {
      err_before_v25();
    }
    return std::move(out_);
  }

 private:
  void msh() {
    out_ += "MSH";
    const std::string_view declared = header_.fields[2];
    field(declared.empty() ? std::string_view(defaults_) : declared);
    field(either(echoed(header_.receiving_application()), text(request_.us.application)));
    field(either(echoed(header_.receiving_facility()), text(request_.us.facility)));
    field(echoed(header_.sending_application()));
    field(echoed(header_.sending_facility()));
    field(request_.time_dtm);
    field("");
    message_type();
    field(text(request_.control_id));
    field(either(echoed(header_.fields[11]), "P"));
    field(either(echoed(header_.fields[12]), "2.5"));
    character_set();
    end_segment();
  }

  // ACK, ACK^A01 from v2.3, ACK^A01^ACK from v2.3.1 on.
  void message_type() {
    field("ACK");
    const std::string_view event = echoed(header_.trigger_event());
    if (event.empty() || rank_ < kV23) return;
    out_.push_back(d_.component);
    out_ += event;
    if (rank_ < kV231) return;
    out_.push_back(d_.component);
    out_ += "ACK";
  }

  // MSH-18 and MSH-20 as the sender has them.
  void character_set() {
    const std::string_view set = echoed(header_.fields[18]);
    const std::string_view scheme = echoed(header_.fields[20]);
    if (set.empty() && scheme.empty()) return;
    out_.append(5, d_.field);  // MSH-13 to MSH-17
    field(set);
    if (scheme.empty()) return;
    field("");
    field(scheme);
  }

  void msa() {
    out_ += "MSA";
    field(name(request_.code));
    field(echoed(header_.control_id()));
    if (rank_ < kV24 && !request_.errors.empty()) field(text(message_of(request_.errors.front())));
    end_segment();
  }

  // ERR-2 ERL, ERR-3 CWE, ERR-4, ERR-8 (HL7 v2.5.1 section 2.15.5).
  void err(const ErrorEntry& error) {
    out_ += "ERR";
    field("");
    out_.push_back(d_.field);
    if (error.where) location(*error.where, d_.component);
    out_.push_back(d_.field);
    code(error.code, d_.component);
    field(severity(error.severity));
    if (!error.user_message.empty()) {
      out_.append(3, d_.field);  // ERR-5 to ERR-7
      field(text(error.user_message));
    }
    end_segment();
  }

  // ERR-1 ELD: one repetition an error; the code is its fourth component.
  void err_before_v25() {
    bool first = true;
    for (const ErrorEntry& error : request_.errors) {
      if (error.severity != Severity::kError) continue;
      if (first) {
        out_ += "ERR";
        out_.push_back(d_.field);
      } else if (d_.repetition == 0) {
        break;
      } else {
        out_.push_back(d_.repetition);
      }
      first = false;
      eld(error);
    }
    if (!first) end_segment();
  }

  void eld(const ErrorEntry& error) {
    const Location where = error.where.value_or(Location{});
    if (is_segment_id(where.segment_id)) {
      out_ += where.segment_id;
      out_.push_back(d_.component);
      number(where.segment_occurrence);
      out_.push_back(d_.component);
      number(where.field);
    } else {
      out_.append(2, d_.component);
    }
    out_.push_back(d_.component);
    code(error.code, d_.subcomponent);
  }

  // Segment ^ sequence ^ field ^ repetition ^ component ^ sub-component, as deep as it goes.
  void location(const Location& where, char separator) {
    if (!is_segment_id(where.segment_id)) return;
    out_ += where.segment_id;
    const std::array parts{where.segment_occurrence, where.field,
                           where.component == 0 ? 0 : std::max(where.repetition, 1u), where.component,
                           where.subcomponent};
    std::size_t depth = parts.size();
    while (depth > 1 && parts[depth - 1] == 0) --depth;
    for (std::size_t i = 0; i < depth; ++i) {
      out_.push_back(separator);
      number(parts[i]);
    }
  }

  // 203 ^ Unsupported version id ^ HL70357; the number alone where there is no such separator.
  void code(ErrorCode error, char separator) {
    out_ += std::to_string(static_cast<unsigned>(error));
    if (separator == 0) return;
    out_.push_back(separator);
    out_ += hl7::text(error);
    out_.push_back(separator);
    out_ += "HL70357";
  }

  void field(std::string_view raw) {
    out_.push_back(d_.field);
    out_ += raw;
  }
  void end_segment() { out_.push_back('\r'); }
  void number(std::uint32_t value) {
    if (value != 0) out_ += std::to_string(value);
  }

  static std::string_view either(std::string_view a, std::string_view b) { return a.empty() ? b : a; }
  static std::string_view message_of(const ErrorEntry& error) {
    return error.user_message.empty() ? hl7::text(error.code) : std::string_view(error.user_message);
  }
  static std::string_view severity(Severity severity) {
    return severity == Severity::kError ? "E" : severity == Severity::kWarning ? "W" : "I";
  }
  // Only an id of the standard's form is written: anything else could be patient data that stood where a segment ought
  // to.
  static bool is_segment_id(std::string_view id) {
    return id.size() == 3 &&
           std::ranges::all_of(id, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
  }
  std::string text(std::string_view utf8) const { return encode_text_lossy(utf8, {d_, text_encoding(header_)}); }

  const Header& header_;
  const AckRequest& request_;
  const Delimiters d_;
  const std::uint32_t rank_;
  const std::string defaults_ = d_.encoding_characters();
  std::string out_;
};

std::string_view nth_field(std::string_view segment, char separator, std::size_t n) {
  for (; n > 0; --n) {
    const std::size_t at = segment.find(separator);
    if (at == std::string_view::npos) return {};
    segment.remove_prefix(at + 1);
  }
  return segment.substr(0, segment.find(separator));
}

std::optional<std::string_view> find_msa(std::string_view bytes, const Header& header) {
  const char separator = header.delimiters.field;
  std::size_t begin = skip_blank(bytes, header.end);
  while (begin < bytes.size()) {
    const std::string_view id = bytes.substr(begin, 3);
    const bool passed_over = std::ranges::find(kBeforeMsa, id) != kBeforeMsa.end();
    if (id != "MSA" && !passed_over) return std::nullopt;
    const std::size_t end = segment_end(bytes, begin, separator);
    if (id == "MSA") return bytes.substr(begin, end - begin);
    begin = skip_blank(bytes, end);
  }
  return std::nullopt;
}

}  // namespace

ErrorEntry error_entry(Fault fault, std::optional<Location> where) {
  const FaultAnswer& answer = answer_for(fault);
  return {.where = std::move(where), .code = answer.error, .user_message = std::string(answer.user_message)};
}

std::string build_ack(const Header& header, const AckRequest& request) { return AckWriter(header, request).run(); }

std::optional<Acknowledgement> read_acknowledgement(std::string_view bytes, const Header& header) {
  if (!header.present) return std::nullopt;
  const bool general = header.message_type() == "ACK" || header.message_type() == "MCF";
  const std::optional<std::string_view> msa = find_msa(bytes, header);
  if (!msa && !general) return std::nullopt;
  Acknowledgement answer{.code = AckCode::kAE, .control_id = {}, .text = {}};
  if (!msa) return answer;
  const char separator = header.delimiters.field;
  answer.code = ack_code_named(nth_field(*msa, separator, 1)).value_or(AckCode::kAE);
  answer.control_id = nth_field(*msa, separator, 2);
  answer.text = nth_field(*msa, separator, 3);
  return answer;
}

}  // namespace minato::hl7
