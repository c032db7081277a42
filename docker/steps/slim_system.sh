#!/bin/sh
# Makes the system of a base image (Debian with Python) fit to run a service, and nothing else: without a package
# manager, Perl and programs that make a user root. What is left is copied into an empty image, because a layer on top
# of the base would only hide what it deletes.
#
# dpkg's list of packages stays: scanners of images read it.
set -eu

groupadd --gid 10001 snowmode
useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin snowmode

# Setuid programs: su, mount, passwd, ... Nobody needs to become anybody in a container.
find / -xdev -type f -perm /6000 -delete

cd /
rm -rf usr/bin/perl* usr/lib/*/perl* usr/share/perl* \
    usr/bin/apt* usr/lib/apt usr/lib/*/libapt-* usr/bin/sqv etc/apt var/lib/apt var/cache/apt \
    usr/share/keyrings usr/share/debconf var/cache/debconf usr/lib/*/libdb-5* \
    usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/bug usr/share/lintian \
    usr/share/python-wheels usr/lib/python3*/ensurepip usr/lib/python3*/test usr/lib/python3*/pydoc_data \
    usr/local/lib/python3*/ensurepip usr/local/lib/python3*/test usr/local/lib/python3*/pydoc_data \
    usr/local/lib/python3*/site-packages/pip* usr/local/bin/pip* usr/local/lib/python3*/idlelib \
    var/lib/dpkg/info var/log/* tmp/* root/.cache

# Character sets of the last century, for iconv; Python brings its own. UTF and Latin stay.
find usr/lib -path '*/gconv/*.so' ! -name 'UTF*' ! -name 'UNICODE*' ! -name 'ISO8859*' -delete

# The folders that the commands' defaults in the images name: volumes take over owner and rights from here.
install -d -o 10001 -g 10001 /models /runs /results /backup /var/lib/snowmode
install -d /srv/radar /incoming /labelled
