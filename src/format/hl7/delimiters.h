// The delimiters of one message (HL7 v2.5.1 section 2.5.4), as MSH-1 and MSH-2 declare them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace minato::hl7 {

struct Delimiters {
  char field = '|';
  char component = '^';
  char repetition = '~';    // NUL: this message has none
  char escape = '\\';       // NUL: this message has none
  char subcomponent = '&';  // NUL: this message has none
  char truncation = 0;      // '#' from v2.7 on (v2.7 section 2.5.5.2); NUL: none

  bool operator==(const Delimiters&) const = default;
  // MSH-2 for them.
  std::string encoding_characters() const;
};

// Reads MSH-1 and MSH-2. kRefused: a delimiter is a letter, digit, blank or control, not ASCII, or there twice.
// As in the field, MSH-2 may be shorter than four: a usual character keeps its usual role ("^~&" has no escape), others
// count by place; and a doubled escape ("^~\\&") is one.
Result<Delimiters> parse_delimiters(char msh1, std::string_view msh2);

}  // namespace minato::hl7
