// A quick look at MSH, without splitting the message: all that an answer, the duplicate check and the lane of a message
// need.
//
//   Result<Header> header = peek_header(frame);
//   header->control_id();     // MSH-10, raw
//   header->charset.warning;  // what to tell the sender
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "format/charset/detect.h"
#include "format/hl7/delimiters.h"

namespace minato::hl7 {

// Views point into the bytes that were read. A default Header stands for a message without a readable MSH.
struct Header {
  static constexpr std::size_t kFieldsMax = 26;  // MSH-1 … MSH-25 (v2.7); later ones are not kept

  bool present = false;  // an MSH was read
  Delimiters delimiters;
  std::size_t offset = 0;  // of "MSH" in the bytes: after a BOM or blank lines
  std::size_t end = 0;     // of the MSH segment, where its terminator begins
  charset::CharsetFinding charset;
  std::array<std::string_view, kFieldsMax> fields{};  // [n] is MSH-n, raw; [0] is unused

  // Raw bytes of a component of MSH-n's first repetition, both from 1. MSH fields with kanji must be decoded with
  // charset.used.
  std::string_view component(std::size_t field, std::size_t number) const;

  std::string_view sending_application() const { return fields[3]; }
  std::string_view sending_facility() const { return fields[4]; }
  std::string_view receiving_application() const { return fields[5]; }
  std::string_view receiving_facility() const { return fields[6]; }
  std::string_view message_type() const { return component(9, 1); }   // "ADT"
  std::string_view trigger_event() const { return component(9, 2); }  // "A01", may be empty
  std::string_view control_id() const { return fields[10]; }
  std::string_view processing_id() const { return component(11, 1); }  // "P", may be lower case
  std::string_view version() const { return component(12, 1); }        // "2.5"
  std::string_view accept_ack_type() const { return fields[15]; }
  std::string_view application_ack_type() const { return fields[16]; }
};

struct PeekOptions {
  std::optional<charset::Encoding> undeclared_default = {};  // see charset::Declaration
};

// kRefused: there is no MSH, or its delimiters are unusable. Reads the MSH segment, and the rest only to find the
// character set.
Result<Header> peek_header(std::string_view bytes, const PeekOptions& options = {});

}  // namespace minato::hl7
