#include "os/base64_lines.h"

#include <openssl/evp.h>

#include <algorithm>

namespace minato {
namespace {

constexpr std::size_t kLineBytes = 57;  // make 76 characters

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a NUL
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string base64_lines(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() / kLineBytes * 78 + 80);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kLineBytes))) {
    out += base64(bytes.substr(0, kLineBytes));
    out += "\r\n";
  }
  return out;
}

}  // namespace minato
