"""Keys of several Regions, as tests make them."""

import os

from cloud import KEY_WRAP

HOME, EAST, WEST = "eu-central-1", "us-east-1", "us-west-2"


class Family:
    """An EXTERNAL primary with its first material, and replicas without."""

    def __init__(self, at, *regions, spec="SYMMETRIC_DEFAULT", material=None):
        self.home, self.material = at(HOME), material or os.urandom(32)
        self.key = self.home.key(spec, MultiRegion=True)
        self.put(self.home)
        self.there = [self.replica(at, region) for region in regions]

    def replica(self, at, region, **more):
        self.home.kms.replicate_key(KeyId=self.key, ReplicaRegion=region, **more)
        return at(region)

    def put(self, cloud, material=None, **more):
        material = material or self.material
        return cloud.put(self.key, material, **({} if len(material) == 32 else {"alg": KEY_WRAP}), **more)

    def filled(self):
        """The same with the first material in all Regions."""
        for cloud in self.there:
            self.put(cloud)
        return self

    def renewed(self, *clouds):
        """New material in the primary, and in these Regions."""
        new = os.urandom(32)
        made = self.put(self.home, new, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
        for cloud in clouds:
            self.put(cloud, new, ImportType="EXISTING_KEY_MATERIAL")
        return new, made

    def relations(self, cloud):
        found = cloud.describe(self.key)["MultiRegionConfiguration"]
        return found["MultiRegionKeyType"], found["PrimaryKey"]["Region"], [k["Region"] for k in found["ReplicaKeys"]]
