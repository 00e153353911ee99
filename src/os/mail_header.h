// The parts of mail headers: addresses, encoded words, folding, parameters. Pure functions, internal to the folder.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "os/mail.h"

namespace minato {

// One header field with its name, folded into lines of at most 76 columns where it has places to fold (RFC 5322
// section 2.2.3).
class MailHeader {
 public:
  explicit MailHeader(std::string_view name);
  // Unstructured text: as it is when it is plain ASCII, else as encoded words (RFC 2047 section 5 (1)).
  void text(std::string_view utf8);
  // A display name before an address: an atom, a quoted string or encoded words (RFC 2047 section 5 (3)).
  void phrase(std::string_view utf8);
  // Something that must stay in one piece. Begins a new line when the line would become too long.
  void piece(std::string_view ascii);
  // A parameter of a structured field: `; name="value"`, or RFC 2231 when the value is not plain ASCII or is long.
  void parameter(std::string_view name, std::string_view utf8);
  std::string finish();

 private:
  void encoded_words(std::string_view utf8);
  void fold();
  std::string out_;
  std::size_t column_;
};

// The address as it stands in a header and in the envelope, without the brackets: a local part that is no dot-atom is
// quoted (Japanese carriers gave out a..b@ and a.@). kRefused: not local@domain in ASCII, or longer than RFC 5321
// section 4.5.3.1.
Result<std::string> checked_address(std::string_view address);
// <left@right>, both dot-atoms, at most 250 bytes (RFC 5322 section 3.6.4).
bool is_message_id(std::string_view text);
// Tue, 24 Nov 2026 14:06:07 +0900
std::string mail_date(Time date, int offset_minutes);

}  // namespace minato
