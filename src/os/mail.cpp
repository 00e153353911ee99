#include "os/mail.h"

#include <openssl/evp.h>

#include <algorithm>
#include <mutex>

#include "base/bytes.h"
#include "base/limits.h"
#include "os/base64_lines.h"
#include "os/files.h"
#include "os/http_types.h"
#include "os/mail_header.h"

namespace minato {
namespace {

constexpr std::size_t kLineBytesMax = 998;  // RFC 5322 section 2.1.1
constexpr std::size_t kFileNameMax = 200;

std::unexpected<Error> refused(std::string_view what) { return fail(Errc::kRefused, "mail: " + std::string(what)); }

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

Status check_text(std::string_view text, std::string_view where) {
  if (has_control(text)) return refused(std::string(where) + " has a control character");
  if (!is_utf8(text)) return refused(std::string(where) + " is not UTF-8");
  return {};
}

// CR LF at every line's end, also of the last.
std::string with_line_ends(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 40 + 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r' && text[i] != '\n') {
      out += text[i];
      continue;
    }
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    out += "\r\n";
  }
  if (!out.ends_with("\r\n")) out += "\r\n";
  return out;
}

bool is_seven_bit(std::string_view text) {
  const bool ascii = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return ascii && std::ranges::all_of(split(text, '\n'), [](auto line) { return line.size() <= kLineBytesMax - 1; });
}

// A part or a whole message body: its Content- headers, an empty line, its bytes.
std::string text_entity(std::string_view subtype, std::string_view text) {
  const std::string lines = with_line_ends(text);
  const bool plain = is_seven_bit(lines);
  std::string out = "Content-Type: text/" + std::string(subtype) + "; charset=UTF-8\r\nContent-Transfer-Encoding: ";
  out += plain ? "7bit" : "base64";
  return out + "\r\n\r\n" + (plain ? lines : base64_lines(lines));
}

std::string attachment_entity(const MailAttachment& attachment) {
  MailHeader disposition("Content-Disposition");
  disposition.piece("attachment");
  disposition.parameter("filename", attachment.file_name);
  return "Content-Type: " + attachment.content_type + "\r\n" + disposition.finish() +
         "Content-Transfer-Encoding: base64\r\n\r\n" + base64_lines(attachment.bytes);
}

// FNV-1a: a boundary needs to be the same each time, not to be secret.
std::uint64_t fingerprint(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

// RFC 2046 section 5.1.1: the boundary must not stand in any part.
std::string boundary_for(std::string_view message_id, const std::vector<std::string>& parts) {
  for (std::uint64_t n = 0;; ++n) {
    const std::string boundary = "=_" + std::to_string(fingerprint(std::string(message_id) + "/" + std::to_string(n)));
    if (std::ranges::none_of(parts, [&](const auto& part) { return part.contains(boundary); })) return boundary;
  }
}

std::string multipart_entity(std::string_view subtype, std::string_view message_id,
                             const std::vector<std::string>& parts) {
  const std::string boundary = boundary_for(message_id, parts);
  std::string out = "Content-Type: multipart/" + std::string(subtype) + ";\r\n boundary=\"" + boundary + "\"\r\n\r\n";
  for (const auto& part : parts) out += "--" + boundary + "\r\n" + part + "\r\n";
  return out + "--" + boundary + "--\r\n";
}

std::string body_entity(const Mail& mail) {
  std::string body = text_entity("plain", mail.text);
  if (!mail.html.empty())
    body = multipart_entity("alternative", mail.message_id, {body, text_entity("html", mail.html)});
  if (mail.attachments.empty()) return body;
  std::vector<std::string> parts = {body};
  for (const auto& attachment : mail.attachments) parts.push_back(attachment_entity(attachment));
  return multipart_entity("mixed", mail.message_id, parts);
}

Status add_mailbox(MailHeader& header, const MailAddress& mailbox, std::string_view after) {
  MN_TRY(address, checked_address(mailbox.address));
  if (mailbox.display_name.empty()) {
    header.piece(address + std::string(after));
    return {};
  }
  MN_CHECK(check_text(mailbox.display_name, "a display name"));
  header.phrase(mailbox.display_name);
  header.piece("<" + address + ">" + std::string(after));
  return {};
}

bool is_ours(std::string_view name) {
  for (const char* ours : {"From", "To", "Cc", "Bcc", "Sender", "Subject", "Date", "Message-ID", "MIME-Version"}) {
    if (ascii_iequals(name, ours)) return true;
  }
  return ascii_lower(name).starts_with("content-");
}

Result<std::string> more_headers(const Mail& mail) {
  std::string out;
  for (const auto& [name, value] : mail.headers) {
    if (!http::is_token(name) || is_ours(name)) return refused("a header's name");
    MN_CHECK(check_text(value, "the header " + name));
    MailHeader header(name);
    header.text(value);
    out += header.finish();
  }
  return out;
}

Result<std::string> headers_of(const Mail& mail) {
  std::string out = "Date: " + mail_date(mail.date, mail.date_offset_minutes) + "\r\n";
  MailHeader from("From");
  MN_CHECK(add_mailbox(from, mail.from, ""));
  out += from.finish();
  MailHeader to("To");
  for (std::size_t i = 0; i < mail.to.size(); ++i) {
    MN_CHECK(add_mailbox(to, mail.to[i], i + 1 < mail.to.size() ? "," : ""));
  }
  out += to.finish();
  MN_CHECK(check_text(mail.subject, "the subject"));
  MailHeader subject("Subject");
  subject.text(mail.subject);
  out += subject.finish() + "Message-ID: " + mail.message_id + "\r\nMIME-Version: 1.0\r\n";
  if (!mail.language.empty()) out += "Content-Language: " + mail.language + "\r\n";
  MN_TRY(more, more_headers(mail));
  return out + more;
}

bool is_content_type(std::string_view text) {
  const auto slash = text.find('/');
  return slash != std::string_view::npos && http::is_token(text.substr(0, slash)) &&
         http::is_token(text.substr(slash + 1));
}

Status check_bodies(const Mail& mail) {
  for (const std::string_view body : {std::string_view(mail.text), std::string_view(mail.html)}) {
    if (body.contains('\0')) return refused("a body has a NUL");
    if (!is_utf8(body)) return refused("a body is not UTF-8");
  }
  for (const auto& attachment : mail.attachments) {
    MN_CHECK(check_text(attachment.file_name, "a file name"));
    if (attachment.file_name.empty()) return refused("an attachment without a file name");
    if (!is_content_type(attachment.content_type)) return refused("an attachment's content type");
  }
  return {};
}

Status check(const Mail& mail) {
  if (mail.to.empty()) return refused("no recipient");
  if (mail.to.size() > kMailRecipientsMax) return fail(Errc::kTooLarge, "mail: too many recipients");
  if (!is_message_id(mail.message_id)) return refused("a malformed Message-ID");
  if (mail.date_offset_minutes < -14 * 60 || mail.date_offset_minutes > 14 * 60) return refused("the date's offset");
  if (!mail.language.empty() && !http::is_token(mail.language)) return refused("a malformed language");
  std::size_t bytes = mail.text.size() + mail.html.size();
  for (const auto& attachment : mail.attachments) bytes += attachment.bytes.size();
  if (bytes > kMailBytesMax) return fail(Errc::kTooLarge, "mail: too large");
  return check_bodies(mail);
}

class DirectorySender final : public MailSender {
 public:
  explicit DirectorySender(std::string directory) : directory_(std::move(directory)) {}

  MailResult send(const Mail& mail) override {
    const auto bytes = render_mail(mail);
    if (!bytes) return {.outcome = MailOutcome::kPermanent, .what = bytes.error().what};
    const std::string path = directory_ + "/" + mail_file_name(mail.message_id);
    const std::lock_guard lock(mutex_);
    const auto there = real_files().exists(path);
    if (there && *there) return {.outcome = MailOutcome::kSent, .stage = MailStage::kDone, .what = "was there already"};
    if (const auto written = write_file_atomically(real_files(), path, *bytes); !written) {
      return {.outcome = MailOutcome::kNotSent, .stage = MailStage::kData, .what = written.error().what};
    }
    return {.outcome = MailOutcome::kSent, .stage = MailStage::kDone};
  }

 private:
  std::string directory_;
  std::mutex mutex_;  // one writer at a time: two of one Message-ID would share the file beside
};

}  // namespace

std::string_view name(MailOutcome outcome) {
  switch (outcome) {
    case MailOutcome::kSent:
      return "sent";
    case MailOutcome::kPermanent:
      return "permanent";
    case MailOutcome::kTemporary:
      return "temporary";
    case MailOutcome::kNotSent:
      return "not-sent";
    case MailOutcome::kUncertain:
      return "uncertain";
  }
  return "uncertain";
}

std::string_view name(MailStage stage) {
  switch (stage) {
    case MailStage::kPrepare:
      return "prepare";
    case MailStage::kConnect:
      return "connect";
    case MailStage::kTls:
      return "tls";
    case MailStage::kAuth:
      return "auth";
    case MailStage::kEnvelope:
      return "envelope";
    case MailStage::kData:
      return "data";
    case MailStage::kDone:
      return "done";
  }
  return "prepare";
}

Result<std::string> render_mail(const Mail& mail) {
  MN_CHECK(check(mail));
  MN_TRY(headers, headers_of(mail));
  // Only the header fields can have become too long here: a word of theirs without a place to fold.
  const bool fits = std::ranges::all_of(split(headers, '\n'), [](auto line) { return line.size() <= kLineBytesMax; });
  if (!fits) return refused("a header with a word of more than 998 bytes");
  std::string out = headers + body_entity(mail);
  if (out.size() > kMailBytesMax) return fail(Errc::kTooLarge, "mail: too large");
  return out;
}

std::string mail_file_name(std::string_view message_id) {
  if (message_id.starts_with('<') && message_id.ends_with('>'))
    message_id = message_id.substr(1, message_id.size() - 2);
  std::string out;
  for (const char c : message_id) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain || (std::string_view("-_@+").contains(c)) || (c == '.' && !out.empty())) {
      out += c;
    } else {
      out += "%" + to_hex({&c, 1});
    }
  }
  if (out.size() > kFileNameMax) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    std::size_t size = 0;
    EVP_Q_digest(nullptr, "SHA256", nullptr, message_id.data(), message_id.size(), digest, &size);
    out = to_hex({reinterpret_cast<const char*>(digest), size});
  }
  return out + ".eml";
}

Result<std::unique_ptr<MailSender>> directory_sender(const std::string& directory) {
  MN_CHECK(real_files().make_directories(directory));
  return std::make_unique<DirectorySender>(directory);
}

}  // namespace minato
