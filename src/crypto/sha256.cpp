#include "crypto/sha256.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"

namespace minato::crypto {
namespace {

// SHA-256 cannot fail unless OpenSSL itself is broken; going on with a wrong digest would be worse than stopping.
void must(bool ok) {
  if (ok) return;
  std::fputs("OpenSSL: SHA-256 is not available\n", stderr);
  std::abort();
}

// Fetched once for the process: a look-up in OpenSSL 3.0's providers costs more than hashing a message.
const EVP_MD* algorithm() {
  static EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  must(md != nullptr);
  return md;
}

EVP_MAC_CTX* hmac_prototype() {
  static EVP_MAC_CTX* const prototype = [] {
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    must(mac != nullptr);
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    must(context != nullptr && EVP_MAC_CTX_set_params(context, params) == 1);
    return context;
  }();
  return prototype;
}

const unsigned char* octets(std::string_view bytes) {
  static constexpr unsigned char kNone = 0;
  return bytes.empty() ? &kNone : reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

Digest sha256(std::string_view bytes) {
  thread_local Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Digest hmac_sha256(std::string_view key, std::string_view bytes) {
  EVP_MAC_CTX* context = EVP_MAC_CTX_dup(hmac_prototype());
  Digest out;
  std::size_t size = 0;
  must(context != nullptr && EVP_MAC_init(context, octets(key), key.size(), nullptr) == 1 &&
       EVP_MAC_update(context, octets(bytes), bytes.size()) == 1 &&
       EVP_MAC_final(context, out.data(), &size, out.size()) == 1 && size == out.size());
  EVP_MAC_CTX_free(context);
  return out;
}

std::string hex(const Digest& digest) { return to_hex(bytes(digest)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  must(context_ != nullptr && EVP_DigestInit_ex2(context_, algorithm(), nullptr) == 1);
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

void Sha256::update(std::string_view bytes) { must(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1); }

Digest Sha256::finish() {
  Digest out;
  unsigned size = 0;
  must(EVP_DigestFinal_ex(context_, out.data(), &size) == 1 && size == out.size());
  must(EVP_DigestInit_ex2(context_, nullptr, nullptr) == 1);
  return out;
}

}  // namespace minato::crypto
