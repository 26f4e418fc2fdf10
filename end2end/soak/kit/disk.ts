// A disk that is full soon.
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NotHere, type World } from "./fault";

/** Mounts a disk in memory, of a size as `mount` takes it (`16m`); it goes with the fault. */
export function smallDisk(world: World, size: string): string {
  const disk = mkdtempSync(join(tmpdir(), "docaiche-disk-"));
  world.after(() => rmSync(disk, { recursive: true, force: true }));
  if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", disk]).status !== 0) throw new NotHere("a small disk cannot be mounted here");
  world.after(() => void spawnSync("umount", ["--lazy", disk]));
  return disk;
}

/** A console that has its folders there: it makes them where temporary ones go. */
export async function consoleOn(disk: string, world: World): ReturnType<World["console"]> {
  const usual = process.env.TMPDIR;
  process.env.TMPDIR = disk;
  return world.console().finally(() => {
    if (usual === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usual;
  });
}

/** Writes until there is no room. */
export function fill(file: string): void {
  const fd = openSync(file, "a");
  try {
    for (const size of [1 << 20, 4_096, 1]) {
      const block = Buffer.alloc(size, "-");
      try {
        while (writeSync(fd, block) === size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
}
