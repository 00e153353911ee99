#include "format/hl7/delimiters.h"

#include <algorithm>
#include <array>

namespace minato::hl7 {
namespace {

// Printable ASCII that no value of a text is made of.
bool usable(char c) {
  const bool printable = c > 0x20 && c < 0x7F;
  const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return printable && !alphanumeric;
}

// MSH-2 with fewer than four characters: "^~&" is meant as it looks, not as it counts.
Delimiters short_form(std::string_view msh2) {
  Delimiters found{.component = msh2[0], .repetition = 0, .escape = 0, .subcomponent = 0};
  for (const char c : msh2.substr(1)) {
    if (c == '&') {
      found.subcomponent = c;
    } else if (c == '\\') {
      found.escape = c;
    } else if (c == '~' || found.repetition == 0) {
      found.repetition = c;
    } else {
      found.escape = c;
    }
  }
  return found;
}

bool distinct(const Delimiters& d) {
  std::array all{d.field, d.component, d.repetition, d.escape, d.subcomponent, d.truncation};
  std::ranges::sort(all);
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i] != 0 && all[i] == all[i - 1]) return false;
  }
  return true;
}

}  // namespace

std::string Delimiters::encoding_characters() const {
  std::string out;
  for (const char c : {component, repetition, escape, subcomponent, truncation}) {
    if (c != 0) out.push_back(c);
  }
  return out;
}

Result<Delimiters> parse_delimiters(char msh1, std::string_view msh2) {
  if (!usable(msh1)) return fail(Errc::kRefused, "MSH-1 cannot be a field separator");
  if (msh2.empty() || msh2.size() > 5) return fail(Errc::kRefused, "MSH-2 must be one to five characters");
  if (!std::ranges::all_of(msh2, usable))
    return fail(Errc::kRefused, "MSH-2 holds a character that cannot be a delimiter");
  Delimiters found;
  if (msh2.size() < 4) {
    found = short_form(msh2);
  } else {
    found = {.component = msh2[0], .repetition = msh2[1], .escape = msh2[2], .subcomponent = msh2[3]};
    const bool doubled_escape = msh2.size() == 5 && msh2[2] == msh2[3];
    if (doubled_escape) {
      found.subcomponent = msh2[4];
    } else if (msh2.size() == 5) {
      found.truncation = msh2[4];
    }
  }
  found.field = msh1;
  if (!distinct(found)) return fail(Errc::kRefused, "MSH-1 and MSH-2 name one delimiter twice");
  return found;
}

}  // namespace minato::hl7
