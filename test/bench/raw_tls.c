/*
 * raw_tls: what OpenSSL and loopback TCP can do with nothing of ours between:
 * the baseline that RPC figures are read against.  Two processes, blocking
 * sockets, TLS 1.3, a P-256 certificate.  Prints "NAME VALUE" lines.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

enum {
	PING_SIZE = 64,
	WARM_UP = 1000,
	PINGS = 20000,
	CHUNK = 256 * 1024,
};
#define BULK ((int64_t)1 << 30)

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "raw_tls: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static X509 *self_sign(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	if (!X509_sign(cert, key, EVP_sha256()))
		fail("signing the certificate");
	return cert;
}

static SSL *tls(const SSL_METHOD *method, int fd, EVP_PKEY *key, X509 *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	int on = 1;
	SSL *ssl;

	/* What bigm speaks. */
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
	if (key && (SSL_CTX_use_certificate(ctx, cert) != 1 ||
		    SSL_CTX_use_PrivateKey(ctx, key) != 1))
		fail("loading the certificate");
	ssl = SSL_new(ctx);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	SSL_set_fd(ssl, fd);
	SSL_CTX_free(ctx);
	return ssl;
}

static void read_all(SSL *ssl, char *buf, int len)
{
	for (int n, done = 0; done < len; done += n) {
		n = SSL_read(ssl, buf + done, len - done);
		if (n <= 0)
			fail("SSL_read");
	}
}

static void write_all(SSL *ssl, const char *buf, int len)
{
	if (SSL_write(ssl, buf, len) != len)
		fail("SSL_write");
}

static void serve(SSL *ssl, char *buf)
{
	if (SSL_accept(ssl) != 1)
		fail("SSL_accept");
	for (int i = 0; i < WARM_UP + PINGS; i++) {
		read_all(ssl, buf, PING_SIZE);
		write_all(ssl, buf, PING_SIZE);
	}
	for (int64_t left = BULK; left > 0; left -= CHUNK)
		read_all(ssl, buf, CHUNK);
	write_all(ssl, buf, 1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(SSL *ssl, char *buf)
{
	static double took[PINGS];
	double begin;

	if (SSL_connect(ssl) != 1)
		fail("SSL_connect");
	for (int i = -WARM_UP; i < PINGS; i++) {
		begin = now();
		write_all(ssl, buf, PING_SIZE);
		read_all(ssl, buf, PING_SIZE);
		if (i >= 0)
			took[i] = now() - begin;
	}
	qsort(took, PINGS, sizeof(took[0]), by_value);
	printf("raw_ping_p50_us %.1f\n", took[PINGS / 2] * 1e6);

	begin = now();
	for (int64_t left = BULK; left > 0; left -= CHUNK)
		write_all(ssl, buf, CHUNK);
	read_all(ssl, buf, 1);
	printf("raw_bulk_mb_s %.0f\n", (double)BULK / (now() - begin) / 1e6);
}

int main(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *buf = calloc(1, CHUNK);
	int fd, status;
	pid_t pid;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!buf || listener < 0 ||
	    bind(listener, (struct sockaddr *)&addr, len) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
		fail("listening");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		EVP_PKEY *key = EVP_EC_gen("P-256");

		fd = accept(listener, NULL, NULL);
		serve(tls(TLS_server_method(), fd, key, self_sign(key)), buf);
		return 0;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&addr, len) < 0)
		fail("connecting");
	measure(tls(TLS_client_method(), fd, NULL, NULL), buf);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}
