/* A stand-in for an MT5 terminal: a Windows program of that name, which numbers ticks and sends them to whoever connects.
 *
 *     terminal64.exe /port:9100 [/rate:5]        in words of its own, as terminals have them
 *     terminal64.exe /update                     the updater: lives, and does nothing
 *
 * It speaks as chaosrun/reference/mt5_terminal.py does: JSON lines over TCP, a hello and then ticks. It differs in that
 * it serves one bridge at a time, numbers one symbol, writes no log and sends no beats.
 */
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int option(int argc, char **argv, const char *name, int otherwise) {
    for (int i = 1; i < argc; i++)
        if (!strncmp(argv[i], name, strlen(name))) return atoi(argv[i] + strlen(name));
    return otherwise;
}

static double unix_ms(void) {
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    unsigned long long ticks = ((unsigned long long)now.dwHighDateTime << 32) | now.dwLowDateTime;
    return (double)(ticks - 116444736000000000ULL) / 1e4; /* 100 ns since 1601 */
}

static int say(SOCKET bridge, const char *line) {
    return send(bridge, line, (int)strlen(line), 0) > 0;
}

int main(int argc, char **argv) {
    int port = option(argc, argv, "/port:", 0), period = 1000 / option(argc, argv, "/rate:", 5);
    if (!port) Sleep(INFINITE);

    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data)) return 1;
    SOCKET listening = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((u_short)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1; /* the one before it may have been killed just now */
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, (char *)&yes, sizeof yes);
    if (bind(listening, (struct sockaddr *)&at, sizeof at) || listen(listening, 5)) return 98;

    char boot[32], line[256];
    long long number = 0;
    snprintf(boot, sizeof boot, "W%08lx", GetCurrentProcessId() ^ GetTickCount());
    for (;;) {
        SOCKET bridge = accept(listening, NULL, NULL);
        snprintf(line, sizeof line, "{\"type\":\"hello\",\"boot_id\":\"%s\",\"heads\":{\"EURUSD\":%lld}}\n", boot, number);
        for (int is_there = say(bridge, line); is_there; Sleep(period)) {
            snprintf(line, sizeof line,
                     "{\"type\":\"tick\",\"symbol\":\"EURUSD\",\"seq\":%lld,\"boot_id\":\"%s\",\"bid\":1.08231,"
                     "\"ask\":1.08243,\"ts\":%.3f}\n", ++number, boot, unix_ms());
            is_there = say(bridge, line);
        }
        closesocket(bridge);
    }
}
