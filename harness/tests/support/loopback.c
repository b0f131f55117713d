/* Loaded before libc into a peer that offers no candidate on the loopback interface, which is the only one that a
 * test may count on: each interface looks like one that is not loopback. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <ifaddrs.h>
#include <net/if.h>

int getifaddrs(struct ifaddrs **all)
{
    int (*of_libc)(struct ifaddrs **) = (int (*)(struct ifaddrs **))dlsym(RTLD_NEXT, "getifaddrs");
    int result = of_libc(all);

    if (result == 0)
        for (struct ifaddrs *one = *all; one; one = one->ifa_next)
            one->ifa_flags &= ~IFF_LOOPBACK;
    return result;
}
