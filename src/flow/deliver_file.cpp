#include <mutex>

#include "flow/deliver_kinds.h"
#include "format/hl7/message.h"

namespace minato {
namespace {

constexpr std::size_t kNamePartBytesMax = 100;

// A value as part of a file's name: nothing of it can leave the directory or surprise a shell.
std::string safe(std::string_view value) {
  std::string out;
  for (const char c : value.substr(0, kNamePartBytesMax)) {
    const bool keep =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    out += keep ? c : '_';
  }
  while (out.starts_with('.')) out.erase(0, 1);
  return out.empty() ? "none" : out;
}

std::string value_of(std::string_view name, const Delivery& delivery) {
  if (name == "seq") return std::to_string(delivery.seq.value);
  if (name == "date") {
    std::string day = to_rfc3339(delivery.received).substr(0, 10);
    std::erase(day, '-');
    return day;
  }
  if (name != "type" && name != "trigger" && name != "control_id") return "";
  const auto message = hl7::Message::view(delivery.bytes);
  if (!message) return "none";
  if (name == "type") return safe(message->get("MSH-9.1"));
  if (name == "trigger") return safe(message->get("MSH-9.2"));
  return safe(message->get("MSH-10"));
}

bool inside(std::string_view path) {
  if (path.empty() || path.starts_with('/') || path.ends_with('/')) return false;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return true;
}

class FileDeliverer : public Deliverer {
 public:
  FileDeliverer(const DestinationOptions& options, Files& files) : options_(options), files_(files) {}

  DeliveryResult deliver(const Delivery& delivery, const std::stop_token&) override {
    const auto name = delivery_file_name(options_.file_name, delivery);
    if (!name) return refused_delivery(name.error().what);
    const std::string path = options_.directory + "/" + *name;
    const std::lock_guard lock(mutex_);
    const Status written = write(path, delivery.bytes);
    if (written) return delivered("written");
    return written.error().code == Errc::kConflict ? refused_delivery(written.error().what)
                                                   : retry_delivery(written.error().what);
  }

 private:
  Status write(const std::string& path, std::string_view bytes) {
    MN_TRY(there, files_.exists(path));
    if (there) {
      MN_TRY(old, read_file(files_, path, kJournalRecordBytesMax));
      if (old == bytes) return {};  // an earlier attempt wrote it
      return fail(Errc::kConflict, "a file of this name with other bytes is there");
    }
    MN_CHECK(files_.make_directories(path.substr(0, path.rfind('/'))));
    return write_file_atomically(files_, path, bytes);
  }

  const DestinationOptions options_;
  Files& files_;
  std::mutex mutex_;
};

}  // namespace

Result<std::string> delivery_file_name(std::string_view pattern, const Delivery& delivery) {
  std::string out;
  std::size_t at = 0;
  while (at < pattern.size()) {
    const std::size_t open = pattern.find('{', at);
    const std::size_t close = open == std::string_view::npos ? open : pattern.find('}', open);
    if (close == std::string_view::npos) break;
    out += pattern.substr(at, open - at);
    const std::string value = value_of(pattern.substr(open + 1, close - open - 1), delivery);
    if (value.empty())
      return fail(Errc::kRefused, "file_name: there are {date}, {type}, {trigger}, {control_id} and {seq}");
    out += value;
    at = close + 1;
  }
  out += pattern.substr(at);
  if (!inside(out)) return fail(Errc::kRefused, "file_name: the name would leave the directory");
  return out;
}

std::unique_ptr<Deliverer> make_file_deliverer(const DestinationOptions& options, Files& files) {
  return std::make_unique<FileDeliverer>(options, files);
}

}  // namespace minato
